"""How addresses carry the names of registered models."""

from __future__ import annotations

from django.urls import register_converter


class ModelNameConverter:
    """Any name that MLflow gives, percent-encoded; a newline in it too, unlike Django's `path`."""

    regex = "(?s:.+)"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ModelNameConverter, "model_name")
