"""Reads for pages: frozen values, in a number of queries that does not grow with the rows."""
