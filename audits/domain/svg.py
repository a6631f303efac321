"""The few SVG elements that our pictures are made of, every text and attribute escaped."""

from __future__ import annotations

import re
import unicodedata
from html import escape


class Svg:
    """Collects elements in drawing order.

    Only presentation attributes are written: nothing loads, runs or restyles anything.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []

    def add(self, tag: str, text: str | None = None, /, **attributes: str | float) -> None:
        """Add an element. ``class_`` and ``stroke_width`` become ``class`` and ``stroke-width``."""
        written = "".join(
            f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
            for name, value in attributes.items()
        )
        body = "/>" if text is None else f">{_text(text)}</{tag}>"
        self._parts.append(f"<{tag}{written}{body}")

    def document(self, *, width: float, height: float, class_: str, label: str) -> str:
        """Return the whole picture, drawn at `width` by `height` pixels unless CSS shrinks it."""
        size = f'width="{_value(width)}" height="{_value(height)}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{_value(class_)}" {size} '
            f'viewBox="0 0 {_value(width)} {_value(height)}" role="img" '
            f'aria-label="{_value(label)}">{"".join(self._parts)}</svg>'
        )


def _value(value: str | float) -> str:
    if isinstance(value, str):
        # Whoever lets pictures through refuses url(...) in an attribute, whatever it is for.
        return re.sub(r"url\(", "url (", _text(value), flags=re.IGNORECASE)
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    """Escape text, less what XML cannot hold and what would turn the direction of a line."""
    kept = "".join(c for c in text if c == " " or unicodedata.category(c)[0] not in "CZ")
    return escape(kept, quote=True)
