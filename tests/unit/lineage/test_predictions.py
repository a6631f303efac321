"""What hostile code says that a model predicted, read strictly."""

from __future__ import annotations

import json

import pytest

from lineage.domain.predictions import PredictionsInvalid, parse_predictions


def test_numbers_truth_values_and_short_labels_are_predictions() -> None:
    said = {"prediction": [1, 0], "score": [0.5, 1e-9], "yes": [True, False], "label": ["a", ""]}
    assert parse_predictions(json.dumps(said).encode(), rows=2).columns == said


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"[1, 0]",
        b'{"prediction": 1}',
        b'{"prediction": [1]}',
        b'{"prediction": [1, 0, 1]}',
        b'{"prediction": [1, NaN]}',
        b'{"prediction": [1, 1e999]}',
        b'{"prediction": [1, null]}',
        b'{"prediction": [1, [0]]}',
        b'{"prediction": [1, {"row": 2}]}',
        b'{"prediction": [1, 0], "prediction": [0, 0]}',
        json.dumps({"prediction": ["a", "b" * 201]}).encode(),
        json.dumps({"p" * 201: [1, 0]}).encode(),
        json.dumps({f"p{number}": [1, 0] for number in range(1_001)}).encode(),
        b"[" * 100_000,
    ],
)
def test_anything_else_is_refused_and_not_repeated(content: bytes) -> None:
    with pytest.raises(PredictionsInvalid) as refused:
        parse_predictions(content, rows=2)
    assert len(refused.value.message) < 300
