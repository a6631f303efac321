"""Binds the Celery application once Django is ready, in every process that may send a task."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "config"
    label = "config"

    def ready(self) -> None:
        import_module("config.celery")
