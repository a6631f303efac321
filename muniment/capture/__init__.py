"""The training side: run a command and record what it was made of."""
