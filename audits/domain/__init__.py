"""Pure audit rules: no Django, no input or output, no clock, nothing heavier than the stdlib."""
