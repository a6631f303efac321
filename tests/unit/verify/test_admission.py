"""Whether a folder is what a certificate says was promoted: each way in which it is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from muniment.attest import predicates
from muniment.attest.bundle import LoggedEntry, build_bundle
from muniment.attest.digest import Digest, dir_hash
from muniment.attest.merkle import inclusion_proof, leaf_hash
from muniment.attest.note import NoteSigner
from muniment.attest.proof import format_proof
from muniment.attest.statement import format_time
from muniment.verify import LogTrust, Verification
from muniment.verify.admission import AdmissionQuestion, verify_admission
from tests.unit.cli.conftest import Muniment, muniment  # noqa: F401  # a fixture
from tests.unit.verify.story import FIRST_VERSION, PROMOTION_ID, VERSION
from tests.unit.verify.world import NOW, World, failures, make_statement_signer

END = NOW + timedelta(days=365)
KEYS = (0, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "data" / "model.pkl").write_bytes(bytes(range(256)))
    return folder


def summary(**changes: Any) -> dict[str, Any]:
    return {
        "verifier": {"id": "https://muniment.bank.example"},
        "timeVerified": format_time(NOW),
        "resourceUri": VERSION,
        "policy": {"uri": "https://muniment.bank.example/p/", "digest": {"sha256": "a" * 64}},
        "inputAttestations": [],
        "verificationResult": "PASSED",
        "verifiedLevels": ["MUNIMENT_POLICY_PASSED", "MUNIMENT_LINEAGE_RECORDED"],
        "slsaVersion": "1.1",
        predicates.CERTIFICATE: {
            "model": "loans",
            "version": 2,
            "alias": "champion",
            "promotion_id": PROMOTION_ID,
            "expires_at": format_time(END),
        },
        **changes,
    }


def certify(world: World, folder: Path, body: Mapping[str, Any] | None = None, **more: Any) -> int:
    more = {"digest": dir_hash(folder), **more}
    return world.state(predicates.VERIFICATION_SUMMARY, body or summary(), **more)


def carry(world: World, leaves: Sequence[int]) -> bytes:
    note, hashes = world.checkpoint(), [leaf_hash(leaf) for leaf in world.leaves]
    return build_bundle(
        note,
        [
            LoggedEntry(
                leaf,
                world.leaves[leaf],
                format_proof(leaf, inclusion_proof(hashes, leaf), note).decode(),
            )
            for leaf in leaves
        ],
    )


def look(
    world: World,
    folder: Path,
    content: bytes,
    *,
    alias: str = "champion",
    model: str | None = None,
    as_of: datetime = NOW + timedelta(days=1),
    vkey: str | None = None,
) -> Verification:
    trust = LogTrust.of_keys([vkey or world.vkey])
    return verify_admission(
        AdmissionQuestion(folder, alias, as_of, model), "certificate.json", content, trust
    )


def certified(world: World, folder: Path, body: Mapping[str, Any] | None = None) -> bytes:
    return carry(world, [certify(world, folder, body), *KEYS])


def refusal(found: Verification) -> dict[str, str | None]:
    assert not found.holds
    return failures(found)


def test_the_folder_that_was_promoted_is_admitted(world: World, folder: Path) -> None:
    content = certified(world, folder)
    found = look(world, folder, content, model="loans")
    assert (failures(found), found.holds) == ({}, True)
    assert found.facts["version"] == 2
    assert any("moved on" in limit for limit in found.limits)
    # Letter case of an alias makes no difference, as everywhere.
    assert look(world, folder, content, alias="Champion").holds
    # The folder itself may be reached by a link, and lie in any place.
    (folder.parent / "link").symlink_to(folder)
    assert look(world, folder.parent / "link", content).holds
    shutil.copytree(folder, folder.parent / "elsewhere")
    assert look(world, folder.parent / "elsewhere", content).holds


def test_what_mlflow_adds_to_a_download_is_set_aside_and_nothing_else(
    world: World, folder: Path
) -> None:
    content = certified(world, folder)
    (folder / "registered_model_meta").write_text("model_name: loans\nmodel_version: '2'\n")
    found = look(world, folder, content)
    assert found.holds
    assert "registered_model_meta aside" in found.findings[-1].detail
    (folder / "MLmodel").write_text("flavors: {evil: {}}\n")
    assert refusal(look(world, folder, content)) == {"admission.folder": "admission.other_files"}


def test_the_file_that_mlflow_adds_counts_where_it_was_promoted(world: World, folder: Path) -> None:
    (folder / "registered_model_meta").write_text("model_name: loans\n")
    content = certified(world, folder)
    assert look(world, folder, content).holds
    (folder / "registered_model_meta").write_text("model_name: other\n")
    assert refusal(look(world, folder, content)) == {"admission.folder": "admission.other_files"}


def _change_a_byte(folder: Path) -> None:
    content = bytearray((folder / "data" / "model.pkl").read_bytes())
    content[100] ^= 1
    (folder / "data" / "model.pkl").write_bytes(content)


def _link_outside(folder: Path) -> None:
    (folder / "data" / "model.pkl").rename(folder.parent / "kept.pkl")
    (folder / "data" / "model.pkl").symlink_to(folder.parent / "kept.pkl")


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (_change_a_byte, "admission.other_files"),
        (_link_outside, "digest.not_a_file"),
        (lambda folder: (folder / "added.py").write_text(""), "admission.other_files"),
        (lambda folder: (folder / ".hidden").write_text(""), "admission.other_files"),
        (lambda folder: (folder / "MLmodel").unlink(), "admission.other_files"),
        (lambda folder: (folder / "MLmodel").rename(folder / "mlmodel"), "admission.other_files"),
        (
            lambda folder: (folder / "data" / "registered_model_meta").write_text(""),
            "admission.other_files",
        ),
        (
            lambda folder: (folder / "registered_model_meta").symlink_to(folder / "MLmodel"),
            "digest.not_a_file",
        ),
        (lambda folder: (folder / "a\nb").write_text(""), "digest.name"),
    ],
)
def test_another_folder_is_refused(world: World, folder: Path, damage: Any, code: str) -> None:
    content = certified(world, folder)
    damage(folder)
    assert refusal(look(world, folder, content)) == {"admission.folder": code}


def test_another_alias_or_model_is_refused(world: World, folder: Path) -> None:
    content = certified(world, folder)
    assert refusal(look(world, folder, content, alias="challenger", model="fraud")) == {
        "admission.alias": "admission.alias",
        "admission.model": "admission.model",
    }


@pytest.mark.parametrize(
    ("as_of", "code"),
    [
        (END, "admission.ended"),
        (END + timedelta(days=9), "admission.ended"),
        (NOW - timedelta(minutes=6), "admission.not_yet"),
    ],
)
def test_out_of_its_term_it_is_refused(
    world: World, folder: Path, as_of: datetime, code: str
) -> None:
    content = certified(world, folder)
    assert refusal(look(world, folder, content, as_of=as_of)) == {"admission.term": code}


def test_to_the_last_moment_of_its_term_it_is_admitted(world: World, folder: Path) -> None:
    content = certified(world, folder)
    for as_of in (END - timedelta(microseconds=1), NOW, NOW - timedelta(minutes=4)):
        assert look(world, folder, content, as_of=as_of).holds


def test_a_verification_that_failed_is_refused(world: World, folder: Path) -> None:
    content = certified(world, folder, summary(verificationResult="FAILED"))
    assert refusal(look(world, folder, content)) == {"admission.result": "admission.not_passed"}


def test_the_certificate_of_another_version_is_refused(world: World, folder: Path) -> None:
    leaf = certify(world, folder, summary(resourceUri=FIRST_VERSION))
    found = refusal(look(world, folder, carry(world, [leaf, *KEYS])))
    assert found == {"admission.certificate": "admission.invalid"}


def test_a_version_without_files_is_no_folder(world: World, folder: Path) -> None:
    leaf = certify(world, folder, digest=Digest("sha256", "c" * 64))
    found = refusal(look(world, folder, carry(world, [leaf, *KEYS])))
    assert found == {"admission.folder": "admission.no_files"}


def test_any_other_statement_is_no_certificate(world: World, folder: Path) -> None:
    """An approval of these very bytes, and the lineage record, are both signed and logged."""
    certify(world, folder)
    for leaf in (6, 7, 10, 0):
        content = carry(world, list(dict.fromkeys([leaf, *KEYS])))
        found = refusal(look(world, folder, content))
        assert found == {"admission.certificate": "admission.not_a_certificate"}


def test_the_proof_of_another_leaf_is_refused(world: World, folder: Path) -> None:
    content = json.loads(certified(world, folder))
    other = json.loads(carry(world, [9, *KEYS]))
    content["entries"][0]["proof"] = other["entries"][0]["proof"]
    found = refusal(look(world, folder, json.dumps(content).encode()))
    assert found == {"log.inclusion": "report.proof_of_another"}
    content["entries"][0]["leaf_index"] = other["entries"][0]["leaf_index"]
    found = refusal(look(world, folder, json.dumps(content).encode()))
    assert found == {"log.inclusion": "proof.root_mismatch"}


def test_a_certificate_that_never_stood_in_the_log_is_refused(world: World, folder: Path) -> None:
    """Whoever has the statement key alone, and not the log's, forges nothing."""
    honest = certified(world, folder)
    forged = world.forked()
    leaf = certify(forged, folder)
    carried = json.loads(honest)
    other = json.loads(carry(forged, [leaf, *KEYS]))
    carried["entries"][0] = other["entries"][0]
    found = refusal(look(world, folder, json.dumps(carried).encode()))
    assert found == {"log.inclusion": "report.other_checkpoint"}
    forged.log = NoteSigner(world.log.name, Ed25519PrivateKey.generate())
    found = refusal(look(world, folder, carry(forged, [leaf, *KEYS])))
    assert found == {"log.checkpoint": "note.unknown_key"}


def test_another_log_s_key_is_refused(world: World, folder: Path) -> None:
    stranger = NoteSigner("muniment.test/other", Ed25519PrivateKey.generate())
    found = refusal(look(world, folder, certified(world, folder), vkey=stranger.vkey))
    assert set(found) == {"log.checkpoint"}


def test_a_key_that_is_not_enrolled_certifies_nothing(
    world: World, folder: Path, tmp_path: Path
) -> None:
    leaf = certify(world, folder, signer=make_statement_signer(tmp_path, "stranger"))
    found = refusal(look(world, folder, carry(world, [leaf, *KEYS])))
    assert found == {"statements.signatures": "envelope.unknown_key"}


def test_a_key_that_may_not_sign_certificates_certifies_nothing(
    world: World, folder: Path, tmp_path: Path
) -> None:
    """As an installation's key is that was enrolled before there were certificates."""
    weaker = world.forked()
    weaker.leaves.clear()
    weaker.stream.clear()
    types = tuple(
        name for name in predicates.PREDICATE_TYPES if name != predicates.VERIFICATION_SUMMARY
    )
    weaker.enrol(types=types)
    found = refusal(look(weaker, folder, carry(weaker, [certify(weaker, folder), *KEYS])))
    assert found == {"statements.signatures": "report.key_not_permitted"}


def test_a_changed_word_is_refused(world: World, folder: Path) -> None:
    content = json.loads(certified(world, folder))
    for member in ("envelope", "proof"):
        text = content["entries"][0][member]
        place = len(text) // 2
        other = "A" if text[place] != "A" else "B"
        changed = json.loads(json.dumps(content))
        changed["entries"][0][member] = text[:place] + other + text[place + 1 :]
        assert not look(world, folder, json.dumps(changed).encode()).holds


def test_the_command_admits_and_refuses_in_words(
    world: World,
    folder: Path,
    tmp_path: Path,
    muniment: Muniment,  # noqa: F811
) -> None:
    bundle = tmp_path / "certificate.json"
    bundle.write_bytes(certified(world, folder))
    usual = ("admit", folder, "--alias", "champion", "--bundle", bundle, "--vkey", world.vkey)
    as_of = ("--as-of", "2026-11-24T14:00:00Z")
    done = muniment(*usual, *as_of)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("Admitted: it is version 2 of loans, promoted to champion.\n")
    answer = json.loads(muniment(*usual, *as_of, "--model", "loans", "--json").stdout)
    assert (answer["admitted"], answer["certificate"]["version"]) == (True, 2)

    done = muniment(*usual, "--as-of", "2030-01-01T00:00:00+01:00")
    assert done.returncode == 1
    assert "it ended at 2027-11-23 14:00:00 UTC" in done.stdout
    assert done.stdout.endswith("DO NOT SERVE THIS FOLDER: 1 of 11 failed.\n")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"folder": "nowhere"}, "nowhere is not a folder"),
        ({"--bundle": "nowhere.json"}, "cannot read nowhere.json: No such file or directory"),
        ({"--vkey": "nonsense"}, "--vkey"),
        ({"--as-of": "yesterday"}, "not a time: yesterday"),
        ({"--as-of": "2026-11-24T14:00:00"}, "say the zone"),
    ],
)
def test_what_cannot_be_read_is_no_verdict(
    world: World,
    folder: Path,
    tmp_path: Path,
    muniment: Muniment,  # noqa: F811
    changed: dict[str, str],
    said: str,
) -> None:
    bundle = tmp_path / "certificate.json"
    bundle.write_bytes(certified(world, folder))
    options = {"--alias": "champion", "--bundle": bundle, "--vkey": world.vkey, **changed}
    where = options.pop("folder", folder)
    done = muniment("admit", where, *[word for pair in options.items() for word in pair])
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
