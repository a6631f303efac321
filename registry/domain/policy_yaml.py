"""YAML as policies may use it: exact numbers, no surprises, every fault with its path.

A deliberately small part of YAML 1.1: one document of mappings, lists and plain scalars. Anchors,
aliases, tags, merge keys, `yes`/`no`, octal and sexagesimal numbers are refused, because two
readers could read them differently or be kept busy by them.
"""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction

import yaml

from registry.domain.errors import PolicyError, PolicyProblem

# A published policy is a statement, and a log entry holds at most 65,535 bytes.
MAX_BYTES = 32_768
MAX_DEPTH = 12
MAX_NODES = 5_000

Plain = str | int | Fraction | bool | date | list["Plain"] | dict[str, "Plain"] | None

_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?[0-9]{1,12}")
_DECIMAL = re.compile(r"[-+]?[0-9]{1,12}\.[0-9]{1,12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def load_plain(content: bytes, problems: list[PolicyProblem]) -> Plain:
    """Read a document's bytes into plain values; numbers with a point become exact fractions.

    Faults within the document are added to `problems` and read as None.

    Raises:
        PolicyError: nothing can be read: too large, not UTF-8, not YAML, too deep, too many
            values, several documents, an anchor or alias.

    """
    if len(content) > MAX_BYTES:
        raise _fatal("too_large", f"it has {len(content)} bytes", f"at most {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _fatal("not_utf8", f"byte {error.start} is not UTF-8", "UTF-8 text") from error
    try:
        _refuse_dangerous(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        what = getattr(error, "problem", None) or "it cannot be read"
        raise _fatal("not_yaml", f"{what}{where}", "one YAML document") from error
    if node is None:
        raise _fatal("not_yaml", "it is empty", "one YAML document")
    return _plain(node, "", problems)


def join_path(path: str, key: str) -> str:
    """Append a key to a path: `gates[2]` and `at_least` give `gates[2].at_least`."""
    return f"{path}.{key}" if path else key


def _refuse_dangerous(text: str) -> None:
    """Walk the parser's events, which costs no memory and no recursion, before composing."""
    depth = nodes = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _fatal("alias", f"an anchor or alias{_line(event)}", "values written out")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
            nodes += 1
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
        if depth > MAX_DEPTH:
            raise _fatal("too_deep", f"nesting{_line(event)}", f"at most {MAX_DEPTH} levels")
        if nodes > MAX_NODES:
            raise _fatal("too_large", f"more than {MAX_NODES} values", f"at most {MAX_NODES}")
        if documents > 1:
            raise _fatal("not_yaml", f"a second document{_line(event)}", "one YAML document")


def _line(event: yaml.Event) -> str:
    return "" if event.start_mark is None else f" at line {event.start_mark.line + 1}"


def _fatal(code: str, message: str, expected: str) -> PolicyError:
    return PolicyError((PolicyProblem(code, "", message, expected),))


def _plain(node: yaml.Node, path: str, problems: list[PolicyProblem]) -> Plain:
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
        return _mapping(node, path, problems)
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
        return [
            _plain(child, f"{path}[{index}]", problems) for index, child in enumerate(node.value)
        ]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, path, problems)
    problems.append(PolicyProblem("tag", path, f"the tag {node.tag}", "a value without a tag"))
    return None


def _mapping(node: yaml.MappingNode, path: str, problems: list[PolicyProblem]) -> dict[str, Plain]:
    found: dict[str, Plain] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != f"{_TAG}str":
            line = key_node.start_mark.line + 1
            problems.append(
                PolicyProblem("key", path, f"a key that is not text at line {line}", "a word")
            )
            continue
        key = str(key_node.value)
        here = join_path(path, key)
        if key in found:
            line = key_node.start_mark.line + 1
            problems.append(
                PolicyProblem(
                    "duplicate_key",
                    here,
                    f"the key stands here twice, again at line {line}",
                    "each key once",
                )
            )
            continue
        found[key] = _plain(value_node, here, problems)
    return found


def _scalar(node: yaml.ScalarNode, path: str, problems: list[PolicyProblem]) -> Plain:
    text = str(node.value)
    kind = node.tag.removeprefix(_TAG)
    if kind == "str":
        return text
    if kind == "null":
        return None
    if kind == "bool" and text in ("true", "false"):
        return text == "true"
    if kind == "int" and _INT.fullmatch(text):
        return int(text)
    if kind == "float" and _DECIMAL.fullmatch(text):
        return Fraction(text)
    if kind == "timestamp" and _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    expected = {
        "bool": "true or false, or quotes around a word",
        "int": "a whole number in plain decimal digits",
        "float": "a finite number such as 0.8, without an exponent",
        "timestamp": "a date such as 2026-11-23",
    }.get(kind, "a plain value")
    problems.append(PolicyProblem("scalar", path, f"{text[:80]!r} ({kind})", expected))
    return None
