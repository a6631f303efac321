"""Pure audit rules: no Django, no input or output, no clock, and nothing heavier than the stdlib."""
