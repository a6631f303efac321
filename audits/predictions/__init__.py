"""Bias and performance from a file of predictions. Workers only: DuckDB and fairlearn are heavy.

Importing this package costs nothing; its modules import DuckDB and fairlearn where they are used.
"""
