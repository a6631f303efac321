"""Muniment's kit: the evidence format, the offline verifier and the gate client.

Pure Python: nothing below this package imports Django, and importing the package
itself loads nothing but the standard library.
"""

from __future__ import annotations

__version__ = "0.1.0"
