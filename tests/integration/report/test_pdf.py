"""The PDF as tools that we did not write read it."""

from __future__ import annotations

import hashlib
import io
import os
import re
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pypdf
import pytest
from pypdf.generic import DictionaryObject, IndirectObject

from audits.domain.dossier import Gate, RegistryEvent
from audits.report.attachment import build_evidence
from audits.report.html import ROOT
from audits.report.pdf import MAX_PAGES, render_report
from tests.unit.report.hostile import hostile
from tests.unit.report.samples import bare, champion, denied, later

PDFAID = "{http://www.aiim.org/pdfa/ns/id/}"


def run(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    return done.stdout


def reader_of(pdf: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(pdf), strict=True)


def objects_of(reader: pypdf.PdfReader) -> list[Any]:
    """Return every object that can be reached from the trailer."""
    found: dict[int, Any] = {}
    waiting: list[Any] = [reader.trailer["/Root"]]
    while waiting:
        one = waiting.pop()
        if isinstance(one, IndirectObject):
            if one.idnum in found:
                continue
            number, one = one.idnum, one.get_object()
            found[number] = one
        if isinstance(one, DictionaryObject):
            waiting += [one.raw_get(key) for key in one]
        elif isinstance(one, list):
            waiting += list(one)
    return list(found.values())


def test_the_attachment_is_the_evidence_byte_for_byte(report: Path, evidence_json: bytes) -> None:
    assert "1: evidence.json" in run("pdfdetach", "-list", report)
    out = report.parent / "evidence.json"
    run("pdfdetach", "-save", "1", "-o", out, report)
    assert out.read_bytes() == evidence_json


def test_the_attachment_is_associated_with_the_document_as_its_data(signed: bytes) -> None:
    root = reader_of(signed).trailer["/Root"]
    (associated,) = root["/AF"]
    specification = associated.get_object()
    assert specification["/AFRelationship"] == "/Data"
    assert specification["/UF"] == specification["/F"] == "evidence.json"
    assert specification["/EF"]["/F"].get_object()["/Subtype"] == "/application/json"


def test_the_digest_of_the_attachment_stands_on_every_page(
    report: Path, evidence_json: bytes
) -> None:
    digest = hashlib.sha256(evidence_json).hexdigest()
    pages = run("pdftotext", "-layout", report, "-").split("\f")[:-1]
    assert len(pages) >= 8
    for number, page in enumerate(pages, start=1):
        assert f"{digest[:16]}…{digest[-8:]}" in page
        assert f"Page {number} of {len(pages)}" in page
        assert number == 1 or "boston-mortgage, version 2" in page
    assert digest in "".join(pages)


@pytest.mark.parametrize("stage", ["unsigned", "signed"])
def test_pdf_a_3b_markers_hold_before_and_after_signing(
    stage: str, request: pytest.FixtureRequest
) -> None:
    pdf: bytes = request.getfixturevalue(stage)
    reader = reader_of(pdf)
    root = reader.trailer["/Root"]
    assert pdf.startswith(b"%PDF-1.7\n%")
    assert str(root.get("/Version", "/1.7")) == "/1.7"
    assert not reader.is_encrypted
    assert len(reader.trailer["/ID"]) == 2
    (intent,) = root["/OutputIntents"]
    assert intent.get_object()["/S"] == "/GTS_PDFA1"
    assert b"sRGB" in intent.get_object()["/DestOutputProfile"].get_object().get_data()
    xmp = ElementTree.fromstring(root["/Metadata"].get_object().get_data())
    written = {
        **{key: value for one in xmp.iter() for key, value in one.attrib.items()},
        **{one.tag: one.text for one in xmp.iter()},
    }
    assert (written[f"{PDFAID}part"], written[f"{PDFAID}conformance"]) == ("3", "B")


def test_every_font_is_embedded_and_can_be_copied_as_text(report: Path) -> None:
    rows = run("pdffonts", report).splitlines()[2:]
    fonts = {row.split()[0].partition("+")[2] for row in rows}
    # "emb sub uni" of each font; the chart's text is in the list as well.
    assert rows
    assert all(re.search(r"yes yes yes +\d+ +0$", row) for row in rows)
    assert {name.split("-")[0] for name in fonts} == {"Inter", "Source", "IBM"}


def test_the_report_is_accessible(signed: bytes) -> None:
    reader = reader_of(signed)
    root = reader.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    title = "Model governance report: boston-mortgage, version 2"
    assert reader.metadata is not None
    assert reader.metadata.title == title
    headings = [one.title for one in reader.outline if not isinstance(one, list)]
    assert [heading.split(" ", 1)[0] for heading in headings] == list("123456789")
    tags = {str(one["/S"]) for one in objects_of(reader) if _is_tag(one)}
    assert {"/H1", "/H2", "/Table", "/TH", "/TD", "/P", "/Figure", "/Link"} <= tags
    pictures = [one for one in objects_of(reader) if _is_tag(one) and one["/S"] == "/Figure"]
    # The mark, what the version was made from, and race, sex, race × sex.
    assert len(pictures) == 5
    assert all(one["/Alt"] for one in pictures)


def _is_tag(one: Any) -> bool:
    return isinstance(one, DictionaryObject) and one.get("/Type") == "/StructElem"


def test_dates_come_from_the_dossier(unsigned: bytes) -> None:
    metadata = reader_of(unsigned).metadata
    assert metadata is not None
    assert metadata.creation_date == later(12).replace(microsecond=0)


def test_the_same_input_gives_the_same_bytes_in_another_process(
    unsigned: bytes, evidence_json: bytes
) -> None:
    program = (
        "import hashlib, sys; from audits.report.pdf import render_report;"
        "from tests.unit.report.samples import champion;"
        "print(hashlib.sha256(render_report(champion(), sys.stdin.buffer.read())).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        input=evidence_json,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    )
    assert done.stdout.decode().strip() == hashlib.sha256(unsigned).hexdigest()


def test_another_dossier_gives_another_identifier(unsigned: bytes) -> None:
    dossier = replace(champion(), requested_by="Somebody Else")
    other = render_report(dossier, build_evidence(dossier, entries=[]))
    assert reader_of(other).trailer["/ID"][0] != reader_of(unsigned).trailer["/ID"][0]


@pytest.mark.parametrize("sample", [denied, bare])
def test_every_verdict_is_laid_out(sample: Any, tmp_path: Path) -> None:
    dossier = sample()
    path = tmp_path / "report.pdf"
    path.write_bytes(render_report(dossier, build_evidence(dossier, entries=[])))
    first = run("pdftotext", "-l", "1", path, "-")
    assert ("Denied" if dossier.decision else "No decision recorded") in first
    assert dossier.model_name in first


def test_hostile_text_neither_loads_runs_nor_escapes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, rendering = socket.socket.connect, threading.current_thread()

    def refused(opened: socket.socket, address: Any) -> None:
        # Threads of other tests may be connecting to what those started.
        if threading.current_thread() is rendering:
            raise AssertionError("a report opened a connection")
        connect(opened, address)

    monkeypatch.setattr("socket.socket.connect", refused)
    dossier = hostile(many=3)
    pdf = render_report(dossier, build_evidence(dossier, entries=[]))
    reader = reader_of(pdf)
    assert 10 < len(reader.pages) <= MAX_PAGES
    root = reader.trailer["/Root"]
    assert len(root["/Names"]["/EmbeddedFiles"]["/Names"]) == 2  # one name, one file
    for one in objects_of(reader):
        if isinstance(one, DictionaryObject):
            assert not {"/JS", "/JavaScript", "/URI", "/Launch", "/AA", "/OpenAction"} & set(one)
            assert one.get("/Subtype") != "/Image"
    path = tmp_path / "hostile.pdf"
    path.write_bytes(pdf)
    text = run("pdftotext", path, "-")
    assert "THE VIOLATION" in text
    assert "The one that counts" in text
    assert "<script>alert(1)</script>" in text
    assert "End of report." in text  # `</body>` ended nothing
    assert "\u202e" not in text


def test_words_without_end_stay_on_the_page_and_the_pages_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More pages than may be made at full length, so that every text is cut short."""
    most = 30
    monkeypatch.setattr("audits.report.pdf.MAX_PAGES", most)
    dossier = hostile(many=2, short="W" * 900, everything="W" * 3_000)
    path = tmp_path / "long.pdf"
    path.write_bytes(render_report(dossier, build_evidence(dossier, entries=[])))
    boxes = ElementTree.fromstring(_bounding_boxes(path))
    space = "{http://www.w3.org/1999/xhtml}"
    pages = list(boxes.iter(f"{space}page"))
    assert len(pages) < most
    assert "WWW… [+828]" in run("pdftotext", path, "-")
    for page in pages:
        width, height = float(page.attrib["width"]), float(page.attrib["height"])
        for word in page.iter(f"{space}word"):
            assert float(word.attrib["xMin"]) > 50, word.text
            assert float(word.attrib["xMax"]) < width - 50, word.text
            assert float(word.attrib["yMax"]) < height - 30, word.text


def _bounding_boxes(path: Path) -> str:
    page = run("pdftotext", "-bbox", path, "-")
    return page[page.index("<html") :]


def test_thousands_of_gates_and_events_stay_bounded(tmp_path: Path) -> None:
    base = champion()
    assert base.decision is not None
    gate = Gate("gate", "A gate", "satisfied", "It holds.", 0.8, 0.9)
    last = Gate("last", "The last gate", "unsatisfied", "It does not hold.", 0.8, 0.7)
    events = tuple(
        RegistryEvent("version.appeared", later(1) + timedelta(seconds=second), f"Number {second}")
        for second in range(5_000)
    )
    dossier = replace(
        base,
        decision=replace(base.decision, gates=(gate,) * 5_000 + (last,)),
        events=events,
    )
    pdf = render_report(dossier, build_evidence(dossier, entries=[]))
    assert len(reader_of(pdf).pages) < 20
    path = tmp_path / "many.pdf"
    path.write_bytes(pdf)
    text = run("pdftotext", path, "-")
    assert "The last gate" in text
    assert "4,971 more in the attachment" in text
    assert "Number 4999" in text


def test_what_no_font_draws_is_shown_by_its_number(tmp_path: Path) -> None:
    """Linear A is in no font that a worker would have; Greek and Cyrillic are in ours."""
    dossier = replace(bare(), owner="Ada \U00010600 \u0391\u03b4\u03b1 \u0410\u0434\u0430")
    path = tmp_path / "report.pdf"
    path.write_bytes(render_report(dossier, build_evidence(dossier, entries=[])))
    assert "Ada [U+10600] \u0391\u03b4\u03b1 \u0410\u0434\u0430" in run("pdftotext", path, "-")
    assert "Inter" in run("pdffonts", path)
