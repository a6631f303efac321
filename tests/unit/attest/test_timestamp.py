"""RFC 3161 tokens: what openssl makes is accepted, and what differs is named."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms, core, tsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from muniment.attest.errors import TimestampError
from muniment.attest.timestamp import MAX_TOKEN_BYTES, TimestampRequest, verify_timestamp
from tests.timestamp_authority import TIME_STAMPING, TimestampAuthority

CONTENT = b"muniment.test/log\n7\nCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n\n"
THEN = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TimestampAuthority:
    return TimestampAuthority(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> TimestampAuthority:
    return TimestampAuthority(tmp_path_factory.mktemp("other-tsa"))


@pytest.fixture(scope="module")
def token(authority: TimestampAuthority) -> bytes:
    return authority.token(CONTENT)


def _refusal(token: bytes, content: bytes, roots: bytes) -> TimestampError:
    with pytest.raises(TimestampError) as caught:
        verify_timestamp(token, content, roots)
    return caught.value


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_openssls_token_is_accepted_by_us_and_by_openssl(
    authority: TimestampAuthority, digest: str
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    made = authority.token(CONTENT, digest=digest)
    assert before <= verify_timestamp(made, CONTENT, authority.root_pem) <= datetime.now(UTC)
    assert authority.openssl_accepts(made, CONTENT)


def test_a_token_of_any_time_is_accepted_by_us_and_by_openssl(tmp_path: Path) -> None:
    authority = TimestampAuthority(tmp_path, uses_rsa=True)
    made = authority.token_at(CONTENT, THEN)
    assert verify_timestamp(made, CONTENT, authority.root_pem) == THEN
    assert authority.openssl_accepts(made, CONTENT, at=THEN)


def test_one_of_several_roots_is_enough(
    authority: TimestampAuthority, other_authority: TimestampAuthority, token: bytes
) -> None:
    verify_timestamp(token, CONTENT, other_authority.root_pem + authority.root_pem)


def test_other_content_is_refused_with_both_digests(
    authority: TimestampAuthority, token: bytes
) -> None:
    error = _refusal(token, CONTENT + b"x", authority.root_pem)
    assert error.code == "timestamp.imprint"
    assert hashlib.sha256(CONTENT).hexdigest() in error.message
    assert hashlib.sha256(CONTENT + b"x").hexdigest() in error.message
    assert not authority.openssl_accepts(token, CONTENT + b"x")


def test_another_root_is_refused(other_authority: TimestampAuthority, token: bytes) -> None:
    assert _refusal(token, CONTENT, other_authority.root_pem).code == "timestamp.chain"
    assert not other_authority.openssl_accepts(token, CONTENT)


@pytest.mark.parametrize(
    "roots", [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_without_roots_nothing_is_trusted(token: bytes, roots: bytes) -> None:
    assert _refusal(token, CONTENT, roots).code == "timestamp.roots"


def test_a_root_that_is_no_certificate_is_refused(
    authority: TimestampAuthority, token: bytes
) -> None:
    key = (authority.folder / "tsa.key").read_bytes()
    assert _refusal(token, CONTENT, key).code == "timestamp.roots"


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (THEN + timedelta(days=2), "was not valid at 2026-11-27T12:00:00Z"),
        (THEN - timedelta(days=2), "was not valid at 2026-11-23T12:00:00Z"),
    ],
)
def test_a_time_outside_the_certificates_is_refused(
    tmp_path: Path, at: datetime, words: str
) -> None:
    authority = TimestampAuthority(
        tmp_path,
        uses_rsa=True,
        first_day=THEN - timedelta(days=1),
        last_day=THEN + timedelta(days=1),
    )
    error = _refusal(authority.token_at(CONTENT, at), CONTENT, authority.root_pem)
    assert error.code == "timestamp.expired"
    assert words in error.message
    # A certificate that is over by now proves what it signed while it was valid.
    verify_timestamp(authority.token_at(CONTENT, THEN), CONTENT, authority.root_pem)


@pytest.mark.parametrize(
    ("purposes", "is_critical", "words"),
    [
        ((ExtendedKeyUsageOID.CODE_SIGNING,), True, "extended key usage is code_signing"),
        (
            (*TIME_STAMPING, ExtendedKeyUsageOID.CLIENT_AUTH),
            True,
            "extended key usage is time_stamping, client_auth",
        ),
        ((), True, "extended key usage is missing"),
        (TIME_STAMPING, False, "does not mark its extended key usage as critical"),
    ],
)
def test_a_certificate_that_is_not_for_timestamps_alone_is_refused(
    tmp_path: Path, purposes: tuple[ExtendedKeyUsageOID, ...], is_critical: bool, words: str
) -> None:
    authority = TimestampAuthority(
        tmp_path, purposes=purposes, is_critical=is_critical, uses_rsa=True
    )
    made = authority.token_at(CONTENT, THEN)
    error = _refusal(made, CONTENT, authority.root_pem)
    assert error.code == "timestamp.key_usage"
    assert words in error.message
    assert not authority.openssl_accepts(made, CONTENT, at=THEN)


def test_a_signature_over_a_weak_digest_is_refused(tmp_path: Path) -> None:
    authority = TimestampAuthority(tmp_path, uses_rsa=True)
    made = authority.token_at(CONTENT, THEN, digest="sha1")
    error = _refusal(made, CONTENT, authority.root_pem)
    assert error.code == "timestamp.digest"
    assert "sha1" in error.message


def test_an_imprint_by_a_weak_digest_is_refused(
    authority: TimestampAuthority, token: bytes
) -> None:
    parsed = cms.ContentInfo.load(token)
    info = tsp.TSTInfo.load(bytes(parsed["content"]["encap_content_info"]["content"]))
    info["message_imprint"] = {
        "hash_algorithm": {"algorithm": "sha1"},
        "hashed_message": hashlib.sha1(CONTENT).digest(),
    }
    parsed["content"]["encap_content_info"]["content"] = core.ParsableOctetString(info.dump())
    error = _refusal(parsed.dump(force=True), CONTENT, authority.root_pem)
    assert (error.code, "sha1" in error.message) == ("timestamp.digest", True)


def test_a_token_without_certificates_is_refused(
    authority: TimestampAuthority, token: bytes
) -> None:
    parsed = cms.ContentInfo.load(token)
    parsed["content"]["certificates"] = None
    error = _refusal(parsed.dump(force=True), CONTENT, authority.root_pem)
    assert error.code == "timestamp.certificate"


def test_the_intermediate_certificate_is_needed(
    authority: TimestampAuthority, token: bytes
) -> None:
    parsed = cms.ContentInfo.load(token)
    parsed["content"]["certificates"] = [
        item
        for item in parsed["content"]["certificates"]
        if item.chosen.subject.native["common_name"] == "Clock"
    ]
    without = parsed.dump(force=True)
    assert _refusal(without, CONTENT, authority.root_pem).code == "timestamp.chain"


def _places(token: bytes) -> dict[str, bytes]:
    """Return bytes that stand in the token once, by what they are."""
    signed = cms.ContentInfo.load(token)["content"]
    signer = signed["signer_infos"][0]
    info = tsp.TSTInfo.load(bytes(signed["encap_content_info"]["content"]))
    attributes = {item["type"].native: item for item in signer["signed_attrs"]}
    [clock] = [
        item.chosen
        for item in signed["certificates"]
        if item.chosen.subject.native["common_name"] == "Clock"
    ]
    return {
        "imprint": hashlib.sha256(CONTENT).digest(),
        "time": info["gen_time"].contents,
        "nonce": info["nonce"].contents,
        "policy": info["policy"].contents,
        "message digest": attributes["message_digest"]["values"][0].contents,
        "certificate's digest": attributes["signing_certificate_v2"]["values"][0].contents,
        "signature": signer["signature"].contents,
        "certificate's key": clock.public_key["public_key"].contents,
        "certificate's signature": clock["signature_value"].contents,
    }


@pytest.mark.parametrize(
    ("part", "codes"),
    [
        ("imprint", {"timestamp.imprint"}),
        ("time", {"timestamp.signature", "timestamp.malformed", "timestamp.expired"}),
        ("nonce", {"timestamp.signature"}),
        ("policy", {"timestamp.signature"}),
        ("message digest", {"timestamp.signature"}),
        ("certificate's digest", {"timestamp.malformed", "timestamp.signature"}),
        ("signature", {"timestamp.signature"}),
        (
            "certificate's key",
            {"timestamp.signature", "timestamp.malformed", "timestamp.certificate"},
        ),
        ("certificate's signature", {"timestamp.signature"}),
    ],
)
def test_a_flipped_byte_is_found_and_named(
    authority: TimestampAuthority, token: bytes, part: str, codes: set[str]
) -> None:
    found = _places(token)[part]
    assert token.count(found) == 1
    start = token.index(found)
    for place in range(start, start + len(found), max(1, len(found) // 6)):
        changed = bytearray(token)
        changed[place] ^= 0x01
        error = _refusal(bytes(changed), CONTENT, authority.root_pem)
        assert error.code in codes, (place - start, error.message)


def _time_told(token: bytes, roots: bytes) -> datetime | None:
    try:
        return verify_timestamp(token, CONTENT, roots)
    except TimestampError:
        return None


def test_no_flipped_bit_makes_it_say_another_time(
    authority: TimestampAuthority, token: bytes
) -> None:
    """Names are compared without regard to case, by openssl as well."""
    truth = _time_told(token, authority.root_pem)
    assert truth is not None
    accepted = []
    for place in range(len(token)):
        changed = bytearray(token)
        changed[place] ^= 1 << place % 8
        told = _time_told(bytes(changed), authority.root_pem)
        assert told in {truth, None}, place
        accepted += [] if told is None else [bytes(changed)]
    assert len(accepted) < 4
    assert all(authority.openssl_accepts(changed, CONTENT) for changed in accepted)


def test_no_shortened_token_is_accepted(authority: TimestampAuthority, token: bytes) -> None:
    for length in range(0, len(token), 7):
        _refusal(token[:length], CONTENT, authority.root_pem)
    assert _refusal(token + b"\0", CONTENT, authority.root_pem).code == "timestamp.malformed"
    huge = token + bytes(MAX_TOKEN_BYTES)
    assert _refusal(huge, CONTENT, authority.root_pem).code == "timestamp.malformed"


def test_the_answer_to_another_request_is_refused(authority: TimestampAuthority) -> None:
    mine, other = TimestampRequest.for_content(CONTENT), TimestampRequest.for_content(CONTENT)
    with pytest.raises(TimestampError, match="answers another request") as caught:
        mine.read_response(authority.reply(other.der))
    assert caught.value.code == "timestamp.nonce"


def test_a_refusal_is_told_in_the_tsas_words(authority: TimestampAuthority) -> None:
    request = TimestampRequest.for_content(CONTENT)
    weak = tsp.TimeStampReq.load(request.der)
    weak["message_imprint"] = {
        "hash_algorithm": {"algorithm": "sha1"},
        "hashed_message": hashlib.sha1(CONTENT).digest(),
    }
    with pytest.raises(TimestampError, match=r"status rejection: .*bad_alg") as caught:
        request.read_response(authority.reply(weak.dump(force=True)))
    assert caught.value.code == "timestamp.refused"


@pytest.mark.parametrize(
    "response", [b"", b"<html>", b"\x30\x00", b"\x30\x03\x02\x01\x00", bytes(MAX_TOKEN_BYTES + 1)]
)
def test_garbage_is_no_answer(response: bytes) -> None:
    with pytest.raises(TimestampError):
        TimestampRequest.for_content(CONTENT).read_response(response)
