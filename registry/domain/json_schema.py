"""The part of JSON Schema (draft 2020-12) that a policy may use, and judging by it exactly.

Only keywords whose cost is bounded by the size of what they judge: no reference of any kind, no
regular expression, no `not`, nothing that is fetched. A schema of a policy is written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from registry.domain.measured import exact_number

# jsonschema is loaded where a schema is read or judged by: most policies hold none.

_SCHEMA: Final = frozenset({"items", "additionalProperties"})
_SCHEMAS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED_SCHEMAS: Final = frozenset({"properties"})
_VALUES: Final = frozenset(
    {
        "type",
        "required",
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "title",
        "description",
    }
)
KEYWORDS: Final = _SCHEMA | _SCHEMAS | _NAMED_SCHEMAS | _VALUES
MAX_SCHEMA_VALUES: Final = 300
MAX_DEPTH: Final = 20
MAX_VALUES: Final = 2_000


class Unjudgeable(Exception):
    """Measurements that no schema is asked about: too deep, too many, or no finite number."""


def schema_faults(schema: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Give each fault of a schema as its path within it, and what was expected."""
    if not isinstance(schema, Mapping):
        yield path, "a schema: a mapping of keywords"
        return
    for keyword, value in schema.items():
        here = f"{path}.{keyword}" if path else str(keyword)
        if keyword not in KEYWORDS:
            yield here, f"one of {', '.join(sorted(KEYWORDS))}"
        elif keyword == "additionalProperties" and isinstance(value, bool):
            continue
        elif keyword in _SCHEMA:
            yield from schema_faults(value, here)
        elif keyword in _SCHEMAS and isinstance(value, list) and value:
            for index, one in enumerate(value):
                yield from schema_faults(one, f"{here}[{index}]")
        elif keyword in _NAMED_SCHEMAS and isinstance(value, Mapping):
            for name, one in value.items():
                yield from schema_faults(one, f"{here}.{name}")
        elif keyword not in _VALUES:
            yield here, "schemas"


def metaschema_fault(schema: Mapping[str, Any]) -> tuple[str, str] | None:
    """Give the first fault by the draft's own schema, as path and message; None where it is one."""
    from jsonschema import Draft202012Validator, SchemaError  # type: ignore[import-untyped]

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return ".".join(str(part) for part in error.absolute_path), str(error.message)[:200]
    return None


def exact_values(value: object) -> Any:
    """Give JSON with every number exactly as it is written: 0.3 is three tenths.

    Raises:
        Unjudgeable: too deep, too many values, NaN, infinity, or what is no JSON.
    """
    left = [MAX_VALUES]
    return _exact(value, 0, left)


def _exact(value: object, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        raise Unjudgeable(f"there are more than {MAX_VALUES:,} values")
    if depth > MAX_DEPTH:
        raise Unjudgeable(f"they are nested more than {MAX_DEPTH} deep")
    if isinstance(value, Mapping):
        return {str(name): _exact(one, depth + 1, left) for name, one in value.items()}
    if isinstance(value, list):
        return [_exact(one, depth + 1, left) for one in value]
    if value is None or isinstance(value, bool | str):
        return value
    number = exact_number(value)
    if number is None:
        raise Unjudgeable("a number in them is not finite, or far too long")
    return int(number) if number.denominator == 1 else number


def first_mismatch(schema: Mapping[str, Any], values: object) -> str | None:
    """Say where values (`exact_values`) do not fit a schema; None where they do."""
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(schema).iter_errors(values)
    # The order is the schema's, which is the document's.
    error = next(iter(errors), None)
    if error is None:
        return None
    place = "/".join(str(part) for part in error.absolute_path)
    return f"/{place[:80]} does not fit the schema's {error.validator}"


def value_at(values: object, pointer: str) -> object:
    """Give what stands at a JSON pointer (RFC 6901); None where nothing does."""
    found = values
    for raw in pointer.split("/")[1:]:
        part = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isascii() and part.isdigit() and len(part) < 7:
            index = int(part)
            found = found[index] if index < len(found) and part == str(index) else None
        else:
            return None
    return found


def number_of(value: object) -> Fraction | None:
    """Give one of `exact_values` as a number; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | Fraction):
        return None
    return Fraction(value)
