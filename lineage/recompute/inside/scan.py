"""Inside the sandbox: scan a version's files for what would run when they are loaded.

    scan.py FOLDER

Prints one JSON object: ``files``, ``formats`` (files by format), ``findings`` (``path``, ``rule``,
``severity``) and ``unscanned`` (``path``, ``why``). Nothing is loaded: pickles are read opcode by
opcode. A file of a format that nobody here can judge is unscanned, never clean.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

MOST_NAMED: Final = 200
_PICKLED: Final = (".pkl", ".pickle", ".joblib", ".dill", ".dat", ".data")
# What a model of these packages is made of; loading it runs their code, as everybody expects.
_EXPECTED: Final = frozenset(
    ("sklearn", "numpy", "scipy", "pandas", "xgboost", "lightgbm", "catboost", "statsmodels")
)
# By what a file begins with: formats that hold numbers and no code.
_INERT: Final = (
    (b"PAR1", "parquet"),
    (b"\x89PNG", "picture"),
    (b"CBM1", "catboost"),
    (b"ARROW1", "arrow"),
)
_TORCH_LEGACY: Final = b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"


def format_of(path: Path) -> str:
    """Tell a file's format by its bytes, and by its name only where bytes do not tell."""
    with path.open("rb") as file:
        head = file.read(4096)
    suffix = path.suffix.lower()
    for magic, name in _INERT:
        if head.startswith(magic):
            return name
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return "pickle"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"\x93NUMPY"):
        return "numpy"
    if head.startswith(b"\x89HDF"):
        return "hdf5"
    if suffix in _PICKLED:
        return "pickle"
    if suffix == ".safetensors" and head[8:9] == b"{":
        return "safetensors"
    if suffix == ".onnx":
        return "onnx"
    if suffix == ".ubj" and head.startswith(b"{"):
        return "ubjson"
    if _is_text(path):
        return "python" if suffix in (".py", ".pyw") else "text"
    return "unknown"


def scan_folder(folder: Path) -> dict[str, Any]:
    """Scan every file below a folder."""
    formats: Counter[str] = Counter()
    findings: list[dict[str, str]] = []
    unscanned: list[dict[str, str]] = []
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    for path in paths:
        name = path.relative_to(folder).as_posix()
        kind = format_of(path)
        formats[kind] += 1
        if kind in ("pickle", "zip", "numpy"):
            found, why = _scan(path, kind)
            findings += [{"path": name, **one} for one in found]
        else:
            why = _WHY_NOT.get(kind, "")
        if kind == "python":
            findings.append({"path": name, "rule": "source code", "severity": "low"})
        if why:
            unscanned.append({"path": name, "why": why})
    return {
        "files": len(paths),
        "formats": dict(formats),
        "findings": findings[:MOST_NAMED],
        # Left out is not scanned: a version with so many findings is not told apart any more.
        "unscanned": unscanned[:MOST_NAMED] or _overflow(findings),
    }


_WHY_NOT: Final = {
    "hdf5": "HDF5 may hold code (Keras layers), which this scanner does not read",
    "unknown": "no scanner here knows this format",
}


def _overflow(findings: list[Any]) -> list[dict[str, str]]:
    if len(findings) <= MOST_NAMED:
        return []
    return [{"path": ".", "why": f"{len(findings)} findings, of which {MOST_NAMED} are named"}]


def _scan(path: Path, kind: str) -> tuple[list[dict[str, str]], str]:
    from picklescan.scanner import SafetyLevel, scan_file_path, scan_pickle_bytes

    try:
        if kind == "pickle" and not _is_torch(path):
            with path.open("rb") as file:
                if not _is_opcodes(file.read(2)):
                    return [], "compressed, or no pickle: its opcodes cannot be read"
                file.seek(0)
                result = scan_pickle_bytes(file, path.name)
        else:
            result = scan_file_path(str(path))
    except Exception as error:  # noqa: BLE001 - a hostile file; whatever it breaks, it is not clean
        return [], f"the scanner failed ({type(error).__name__})"
    rules: dict[str, str] = {}
    for found in result.globals:
        rule = f"{found.module}.{found.name}"[:200]
        if found.safety == SafetyLevel.Dangerous:
            rules[rule] = "critical"
        elif found.safety == SafetyLevel.Suspicious:
            known = found.module.split(".", 1)[0] in _EXPECTED
            rules.setdefault(rule, "low" if known else "medium")
    why = "the scanner could not read all of it" if result.scan_err else ""
    return [{"rule": rule, "severity": worst} for rule, worst in sorted(rules.items())], why


def _is_opcodes(head: bytes) -> bool:
    # Protocol 2 and later say so; before, an opcode is a printable character.
    return head[:1] == b"\x80" or head[:1] in b"(]}cilSINVFGKML.)"


def _is_torch(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_TORCH_LEGACY)) == _TORCH_LEGACY


def _is_text(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            while chunk := file.read(1 << 20):
                if "\0" in chunk:
                    return False
    except UnicodeDecodeError:
        return False
    return True


if __name__ == "__main__":
    sys.stdout.write(json.dumps(scan_folder(Path(sys.argv[1]))) + "\n")
