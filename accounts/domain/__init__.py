"""Decisions of this app, pure: no Django, no I/O, no clock."""
