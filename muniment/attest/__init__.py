"""The evidence format: digests, statements, envelopes, and the log's tree, notes and proofs."""
