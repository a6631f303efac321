"""Data sets: naming one, hashing it, and opening it again where it lies."""
