"""Two registry stores on databases of their own, driven by the same calls and compared."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# What differs between two runs of the same calls: milliseconds and ids.
_VOLATILE = re.compile(r"\b1[6-9]\d{11}\b|\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b")
_REGISTRY_TABLES = (
    *("registered_models", "registered_model_tags", "registered_model_aliases"),
    *("model_versions", "model_version_tags", "webhooks", "webhook_events"),
)


def plain(value: Any) -> Any:
    """Return a store's answer as plain values, with everything that time or chance made masked."""
    if isinstance(value, enum.Enum) or value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | int | float | bytes):
        masked = _VOLATILE.sub("<volatile>", str(value))
        return value if masked == str(value) else masked
    if isinstance(value, Mapping):
        return {plain(key): plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        token = getattr(value, "token", None)
        return [plain(held) for held in value] + ([("token", plain(token))] if token else [])
    # An entity: its type, and whatever it holds, hidden fields included.
    held = vars(value) if hasattr(value, "__dict__") else repr(value)
    return type(value).__name__, plain(held)


def outcome_of(action: Callable[[], Any]) -> tuple[str, Any]:
    """Call, and return what came of it: an answer, or an error with its code and words."""
    from mlflow.exceptions import MlflowException

    try:
        answer = action()
    except MlflowException as error:
        words = str(error).replace("GovernedSqlAlchemyStore", "SqlAlchemyStore")
        return "MlflowException", (error.error_code, plain(words))
    except TypeError:
        return "TypeError", None  # a wrong call: its words are Python's and name other functions
    except Exception as error:  # noqa: BLE001 - any outcome at all is compared
        words = str(error).replace("GovernedSqlAlchemyStore", "SqlAlchemyStore")
        return type(error).__name__, plain(words)
    return "answer", plain(answer)


@dataclass
class Twins:
    """Our store and MLflow's.

    Attributes:
        driven: the methods that were called on both.
        outcomes: how many calls had each kind of outcome.
    """

    ours: Any
    peer: Any
    driven: set[str] = field(default_factory=set)
    outcomes: dict[str, int] = field(default_factory=dict)

    def drive(self, method: str, *args: Any, **kwargs: Any) -> str:
        """Call a method on both, with the same arguments, and compare; return its outcome's kind.

        An argument that is a function is called with the store, for what only one of them knows.
        """
        ours, peer = (
            outcome_of(lambda store=store: self._call(store, method, args, kwargs))
            for store in (self.ours, self.peer)
        )
        assert ours == peer, f"{method}{args}{kwargs}: ours {ours}, MLflow's {peer}"
        self.driven.add(method)
        self.outcomes[ours[0]] = self.outcomes.get(ours[0], 0) + 1
        return ours[0]

    def succeed(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Drive a call that has to be answered, lest two equal failures pass for a comparison."""
        assert self.drive(method, *args, **kwargs) == "answer", f"{method}{args}{kwargs}"

    def compare_tables(self) -> int:
        """Compare every row of the registry in both databases; return how many there are."""
        ours, peer = (_rows(store) for store in (self.ours, self.peer))
        assert ours == peer
        return len(ours)

    @staticmethod
    def _call(store: Any, method: str, args: Iterable[Any], kwargs: Mapping[str, Any]) -> Any:
        attribute = getattr(store, method)
        given = [argument(store) if callable(argument) else argument for argument in args]
        named = {
            name: argument(store) if callable(argument) else argument
            for name, argument in kwargs.items()
        }
        return attribute(*given, **named) if callable(attribute) else attribute


def _rows(store: Any) -> list[tuple[str, Any]]:
    import sqlalchemy

    held: list[tuple[str, Any]] = []
    with store.engine.connect() as connection:
        for table in _REGISTRY_TABLES:
            found = connection.execute(sqlalchemy.text(f"SELECT * FROM {table}")).mappings()
            # A secret is stored encrypted, under another nonce each time.
            rows = [plain({**row, "secret": bool(row.get("secret"))}) for row in found]
            held.extend((table, row) for row in sorted(rows, key=repr))
    return held
