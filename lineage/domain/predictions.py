"""Predictions that came out of a sandbox: checked, because hostile code wrote them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from muniment.attest.errors import AttestError
from muniment.attest.strict_json import parse_object

Value = float | int | str | bool

MAX_BYTES: Final = 256 * 1024 * 1024
_MAX_COLUMNS: Final = 1_000
_MAX_NAME: Final = 200
_MAX_LABEL: Final = 200


class PredictionsInvalid(AttestError):
    """What came out are no predictions for the rows that were given."""

    default_code = "predictions.invalid"


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model predicted: a list for each column, one value a row, in the order of the rows."""

    columns: Mapping[str, Sequence[Value]]


def parse_predictions(content: bytes, *, rows: int) -> Predictions:
    """Read ``{column: [value, …], …}``: finite numbers, truth values and short labels alone.

    Raises:
        PredictionsInvalid: anything else, or another number of rows.
    """
    said = parse_object(
        content, error=PredictionsInvalid, what="what the model predicted", max_bytes=MAX_BYTES
    )
    if not 0 < len(said) <= _MAX_COLUMNS:
        raise PredictionsInvalid(f"The model predicted {len(said)} columns.")
    for name, values in said.items():
        if len(name) > _MAX_NAME or not isinstance(values, list) or len(values) != rows:
            raise PredictionsInvalid(
                f"The model did not predict one value for each of {rows} rows."
            )
        if not all(_is_plain(value) for value in values):
            raise PredictionsInvalid(
                "The model predicted something that is neither a finite number nor a short label."
            )
    return Predictions(said)


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _MAX_LABEL
    return isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
