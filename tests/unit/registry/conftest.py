"""Settings of the property tests in this folder."""

from __future__ import annotations

from hypothesis import settings

# A busy machine must not turn a law into a failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
