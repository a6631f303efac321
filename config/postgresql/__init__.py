"""PostgreSQL as Django has it, except for how a kept connection is looked at before it is used."""
