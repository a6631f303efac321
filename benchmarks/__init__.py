"""Measured beside a peer, in one run: `python -m benchmarks.<name>`, or `make bench` for all."""
