"""What may happen to a model version, decided by pure functions: no Django, no I/O, no clock."""
