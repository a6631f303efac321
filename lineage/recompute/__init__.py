"""Training a version again from its lineage record alone, in a sandbox, and comparing."""
