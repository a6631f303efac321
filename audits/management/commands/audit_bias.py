"""`manage.py audit_bias`: the audit that evidence is made of, on a file and from the shell."""

from __future__ import annotations

import itertools
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from audits.domain.criteria import MEDIAN, BiasCriteria, CriteriaError
from audits.domain.table import bias_lines
from audits.management.json_command import JsonCommand
from muniment.datasets.errors import DatasetError

# A page of thresholds; whatever is larger is another file.
MAX_CRITERIA_BYTES = 32_768
MAX_FETCHED_BYTES = 64 * 2**30


class Command(JsonCommand):
    help = "Audit predictions (Parquet, Arrow, JSON or CSV) for bias, and say what was found."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_error = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", metavar="FILE", help="a file, or an address such as s3://…")
        parser.add_argument("--y-true", metavar="COL", required=True, help="what really happened")
        parser.add_argument("--y-pred", metavar="COL", required=True, help="what was predicted")
        parser.add_argument(
            "--sensitive",
            metavar="COL",
            action="append",
            required=True,
            help="a group of people; several are crossed two by two",
        )
        parser.add_argument(
            "--positive", metavar="LABEL", help="the label that counts as 1, where two others stand"
        )
        parser.add_argument("--weight", metavar="COL", help="what each row weighs")
        parser.add_argument(
            "--score",
            action="store_true",
            help="--y-pred holds scores: who is above the median of all is selected, "
            "unless the criteria have a cutoff",
        )
        parser.add_argument(
            "--criteria",
            metavar="FILE",
            type=Path,
            help="YAML or JSON: what to judge by, instead of the shipped rule at screening",
        )

    def perform(self, **options: Any) -> dict[str, Any]:
        from audits.predictions.audit import audit_predictions
        from audits.predictions.cells import PredictionColumns

        try:
            criteria = _criteria(options)
        except CriteriaError as error:
            return self._said("error", (f"the criteria cannot be judged by: {error}",))
        columns = PredictionColumns(
            groups=criteria.columns,
            row_id=None,
            label=options["y_true"],
            prediction=options["y_pred"],
            score=options["y_pred"] if criteria.cutoff is not None else "score",
            positive=options["positive"],
        )
        try:
            with _local(options["file"]) as path:
                found = audit_predictions(path, criteria, columns=columns).bias
        except DatasetError as error:
            return self._said("error", (f"the file cannot be read: {error}",))
        except Exception as error:  # noqa: BLE001 - whoever reads the document reads no traceback
            return self._said("error", (f"the audit could not be made: {error!r:.200}",))
        return self._said(found.conclusion, found.reasons, found.measurements, found.criteria)

    def _said(
        self,
        conclusion: str,
        reasons: tuple[str, ...],
        measurements: Mapping[str, object] | None = None,
        criteria: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        self._is_error = conclusion == "error"
        return {
            "attributes": {},
            **(measurements or {}),
            "conclusion": conclusion,
            "standard": (criteria or {}).get("standard"),
            "reasons": list(reasons),
            "criteria": dict(criteria or {}),
        }

    def words(self, said: Mapping[str, Any]) -> Iterable[str]:
        return bias_lines(said)

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if self._is_error:
            sys.exit(1)


@contextmanager
def _local(file: str) -> Iterator[Path]:
    """Give the file; one at an address is fetched for as long as the context lasts.

    Raises:
        DatasetError: nothing lies there, or it cannot be read as whoever runs this reaches it.
    """
    if "://" not in file:
        yield Path(file)
        return
    from muniment.datasets.opening import open_here
    from muniment.datasets.sources import Budget

    with TemporaryDirectory(prefix="muniment-audit-") as folder, open_here(file) as source:
        path = Path(folder, "predictions")
        budget = Budget(MAX_FETCHED_BYTES)
        with source.stream("") as chunks, path.open("wb") as written:
            for chunk in chunks:
                budget.spend(len(chunk))
                written.write(chunk)
        yield path


def _criteria(options: Mapping[str, Any]) -> BiasCriteria:
    """Read the criteria; what the command line names is judged and crossed unless they say else.

    Raises:
        CriteriaError: the file cannot be read, or what it says cannot be judged by.
    """
    sensitive = list(options["sensitive"])
    written: dict[str, object] = {
        "attributes": sensitive,
        "intersections": [list(pair) for pair in itertools.combinations(sensitive, 2)],
    }
    if options["criteria"] is not None:
        written |= _read(options["criteria"])
    criteria = BiasCriteria.from_mapping(written)
    unnamed = [name for name in criteria.columns if name not in sensitive]
    if unnamed:
        raise CriteriaError("attributes", f"expected --sensitive {unnamed[0]} too, which they name")
    if options["score"] and criteria.cutoff is None:
        criteria = replace(criteria, cutoff=MEDIAN)
    if options["weight"] is not None:
        criteria = replace(criteria, weight=options["weight"])
    return criteria


def _read(path: Path) -> dict[str, object]:
    import yaml

    try:
        with path.open("rb") as file:
            content = file.read(MAX_CRITERIA_BYTES + 1)
        written = yaml.safe_load(content) if len(content) <= MAX_CRITERIA_BYTES else None
    except OSError as error:
        raise CriteriaError("criteria", f"cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CriteriaError("criteria", "expected YAML or JSON") from error
    if len(content) > MAX_CRITERIA_BYTES:
        raise CriteriaError("criteria", f"expected at most {MAX_CRITERIA_BYTES:,} bytes")
    if not isinstance(written, dict):
        raise CriteriaError("criteria", "expected a mapping of keys to values")
    return {str(key): value for key, value in written.items()}
