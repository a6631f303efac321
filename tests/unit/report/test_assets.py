from __future__ import annotations

import hashlib
import json
import subprocess
import sys

from audits.report.html import ROOT
from audits.report.pdf import ASSETS


def test_bundled_fonts_are_the_recorded_ones() -> None:
    recorded = {
        file["path"]: file["sha256"]
        for package in json.loads((ASSETS / "FONTS.json").read_text("utf-8"))["packages"]
        for file in package["files"]
    }
    found = {
        path.relative_to(ASSETS).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (ASSETS / "fonts").iterdir()
    }
    assert found == recorded


def test_every_font_has_its_license_beside_it() -> None:
    licenses = {path.stem.removeprefix("LICENSE-") for path in ASSETS.glob("fonts/LICENSE-*")}
    assert {path.stem.split("_")[0] for path in ASSETS.glob("fonts/*.ttf")} == licenses


def test_importing_the_report_loads_neither_weasyprint_nor_pyhanko() -> None:
    program = (
        "import sys, audits.report.attachment, audits.report.pdf, audits.report.signing;"
        "print([m for m in ('weasyprint', 'pyhanko', 'cryptography') if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"
