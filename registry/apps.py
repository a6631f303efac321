from __future__ import annotations

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    name = "registry"

    def ready(self) -> None:
        from registry.services.account_changes import offer_account_changes
        from registry.services.policy_changes import offer_policy_changes

        offer_policy_changes()
        offer_account_changes()
