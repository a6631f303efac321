"""Timestamps of an independent clock: requests to a TSA, its answers, and tokens.

Sources: RFC 3161, RFC 5816 (the certificate's digest in a token), RFC 5652 (CMS).
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from muniment.attest.errors import TimestampError

MAX_TOKEN_BYTES: Final = 100_000
QUERY_TYPE: Final = "application/timestamp-query"
REPLY_TYPE: Final = "application/timestamp-reply"
# What may stand for the content, and under the TSA's signature.
_DIGESTS: Final = ("sha256", "sha384", "sha512")
_SIGNER_VERSIONS: Final = {"issuer_and_serial_number": "v1", "subject_key_identifier": "v3"}


@dataclass(frozen=True, slots=True)
class TimestampRequest:
    """A question to a TSA.

    Attributes:
        der: the TimeStampReq, to be sent as ``application/timestamp-query``.
        nonce: comes back in the token that answers this question.
    """

    der: bytes
    nonce: int

    @classmethod
    def for_content(cls, content: bytes) -> TimestampRequest:
        """Ask for a token over SHA-256 of ``content``, with the TSA's certificates in it."""
        from asn1crypto import tsp  # type: ignore[import-untyped]

        nonce = secrets.randbits(64)
        request = tsp.TimeStampReq(
            {
                "version": 1,
                "message_imprint": {
                    "hash_algorithm": {"algorithm": "sha256"},
                    "hashed_message": hashlib.sha256(content).digest(),
                },
                "nonce": nonce,
                "cert_req": True,
            }
        )
        return cls(request.dump(), nonce)

    def read_response(self, response: bytes) -> bytes:
        """Return the token (TimeStampToken, DER) that a TSA answered with; not verified yet.

        Raises:
            TimestampError: malformed, a refusal, or the answer to another question.
        """
        from asn1crypto import cms, core, tsp

        class Response(core.Sequence):  # type: ignore[misc]
            # A refusal has no token; asn1crypto's own class insists on one.
            _fields = [
                ("status", tsp.PKIStatusInfo),
                ("time_stamp_token", cms.ContentInfo, {"optional": True}),
            ]

        if len(response) > MAX_TOKEN_BYTES:
            raise _malformed(f"an answer has at most {MAX_TOKEN_BYTES} bytes")
        try:
            parsed = Response.load(response, strict=True)
            info, token = parsed["status"], parsed["time_stamp_token"]
            status = info["status"].native
            reasons = [*(info["status_string"].native or []), *(info["fail_info"].native or [])]
            der = b"" if token.native is None else bytes(token.dump())
        except Exception as error:  # hostile bytes fail in every way Python can
            raise _malformed(f"not an answer of a TSA: {type(error).__name__}") from error
        if status not in {"granted", "granted_with_mods"} or not der:
            words = "; ".join(str(reason) for reason in reasons) or "no reason given"
            raise TimestampError(
                f"the TSA refused, with status {status}: {words[:300]}", code="timestamp.refused"
            )
        nonce = _Token.parse(der).info["nonce"].native
        if nonce != self.nonce:
            raise TimestampError(
                "the token answers another request: its nonce is not the one that was sent",
                code="timestamp.nonce",
            )
        return der


def verify_timestamp(token: bytes, content: bytes, ca_pem: bytes) -> datetime:
    """Return when ``content`` existed, as a trusted TSA says.

    Nothing is fetched, so revocation is not looked at.

    Args:
        token: a TimeStampToken, DER, that holds the TSA's certificate.
        ca_pem: the roots that are trusted, as PEM.

    Raises:
        TimestampError: no roots; a token that is malformed, of other content or by a weak digest,
            not signed by the certificate that it names; a certificate that is not for
            timestamps alone, not valid at that time, or does not chain to a root.
    """
    roots = _read_roots(ca_pem)
    parsed = _Token.parse(token)
    _require_imprint(parsed, content)
    try:
        _require_purpose(parsed.certificate)
        _require_valid_at(parsed.certificate, parsed.time)
        _require_signature(parsed)
        _require_chain(parsed, roots)
    except TimestampError:
        raise
    except Exception as error:  # hostile bytes, as above
        raise _malformed(f"not readable as a timestamp token: {type(error).__name__}") from error
    return parsed.time


@dataclass(frozen=True, slots=True)
class _Token:
    """The parts of a token, of asn1crypto's untyped kinds."""

    info: Any  # TSTInfo
    time: datetime
    signer: Any  # SignerInfo
    certificate: Any
    others: list[Any]
    signed_content: bytes
    digest: str  # under the signature

    @classmethod
    def parse(cls, token: bytes) -> _Token:
        if len(token) > MAX_TOKEN_BYTES:
            raise _malformed(f"a token has at most {MAX_TOKEN_BYTES} bytes")
        try:
            return cls._parse(token)
        except TimestampError:
            raise
        except Exception as error:  # hostile bytes, as above
            raise _malformed(
                f"not readable as a timestamp token: {type(error).__name__}"
            ) from error

    @classmethod
    def _parse(cls, token: bytes) -> _Token:
        from asn1crypto import cms, tsp
        from pyhanko.sign.general import extract_certificate_info, extract_signer_info

        outer = cms.ContentInfo.load(token, strict=True)
        if outer["content_type"].native != "signed_data":
            raise _malformed("a token is signed data, this is something else")
        signed = outer["content"]
        inner = signed["encap_content_info"]
        if inner["content_type"].native != "tst_info":
            raise _malformed("what is signed is not a timestamp")
        info = tsp.TSTInfo.load(bytes(inner["content"]), strict=True)
        if info["version"].native != "v1":
            raise _malformed("the timestamp is of another version than 1")
        time = info["gen_time"].native
        if not isinstance(time, datetime) or time.tzinfo is None:
            raise _malformed("the timestamp has no time in UTC")
        certificates = signed["certificates"]
        if certificates.native is None or not len(certificates):
            raise TimestampError(
                "the token holds no certificate: ask the TSA for one", code="timestamp.certificate"
            )
        signer = extract_signer_info(signed)
        found = extract_certificate_info(signed)
        digest = signer["digest_algorithm"].native
        # No signature covers these, and nothing below depends on them; they are held to RFC 5652
        # so that a token that was tampered with is not taken for whole.
        if (
            signed["version"].native not in {"v3", "v4", "v5"}
            or signer["version"].native != _SIGNER_VERSIONS[signer["sid"].name]
            or digest not in signed["digest_algorithms"].native
            or digest["parameters"] is not None
        ):
            raise _malformed("the token's versions or algorithms contradict each other")
        return cls(
            info=info,
            time=time.astimezone(UTC),
            signer=signer,
            certificate=found.signer_cert,
            others=list(found.other_certs),
            signed_content=bytes(inner["content"]),
            digest=digest["algorithm"],
        )


def _read_roots(ca_pem: bytes) -> list[Any]:
    from asn1crypto import pem, x509

    try:
        blocks = list(pem.unarmor(ca_pem, multiple=True)) if pem.detect(ca_pem) else []
        roots = [
            x509.Certificate.load(der, strict=True)
            for kind, _, der in blocks
            if kind == "CERTIFICATE"
        ]
        for root in roots:
            root.native  # noqa: B018 - asn1crypto reads only what is asked for
    except Exception as error:  # a file that anybody may have written
        raise TimestampError(
            f"the roots are not readable as PEM certificates: {type(error).__name__}",
            code="timestamp.roots",
        ) from error
    if not roots:
        raise TimestampError("no PEM certificate to trust was given", code="timestamp.roots")
    return roots


def _require_imprint(token: _Token, content: bytes) -> None:
    try:
        imprint = token.info["message_imprint"]
        algorithm = imprint["hash_algorithm"]["algorithm"].native
        found = bytes(imprint["hashed_message"].native)
    except Exception as error:  # hostile bytes, as above
        raise _malformed("the timestamp names no digest of a content") from error
    if algorithm not in _DIGESTS:
        raise TimestampError(
            f"the token is over {algorithm} of something: needed {', '.join(_DIGESTS)}",
            code="timestamp.digest",
        )
    expected = hashlib.new(algorithm, content).digest()
    if found != expected:
        raise TimestampError(
            f"the token is over other content: it holds the {algorithm} {found.hex()}, "
            f"of this content it is {expected.hex()}",
            code="timestamp.imprint",
        )


def _require_purpose(certificate: Any) -> None:
    """Hold the TSA's certificate to RFC 3161 section 2.3."""
    usage = certificate.extended_key_usage_value
    purposes = [] if usage is None else list(usage.native)
    if purposes != ["time_stamping"]:
        raise TimestampError(
            "the TSA's certificate is not for timestamps alone: its extended key usage is "
            f"{', '.join(map(str, purposes)) or 'missing'}",
            code="timestamp.key_usage",
        )
    if "extended_key_usage" not in certificate.critical_extensions:
        raise TimestampError(
            "the TSA's certificate does not mark its extended key usage as critical",
            code="timestamp.key_usage",
        )


def _require_valid_at(certificate: Any, time: datetime) -> None:
    first, last = certificate.not_valid_before, certificate.not_valid_after
    if not first <= time <= last:
        raise TimestampError(
            f"the TSA's certificate was not valid at {time:%Y-%m-%dT%H:%M:%SZ}, the token's time: "
            f"it is from {first:%Y-%m-%dT%H:%M:%SZ} to {last:%Y-%m-%dT%H:%M:%SZ}",
            code="timestamp.expired",
        )


def _require_signature(token: _Token) -> None:
    from pyhanko.sign.validation.errors import SignatureValidationError
    from pyhanko.sign.validation.generic_cms import get_signing_cert_attr, validate_sig_integrity

    if token.digest not in _DIGESTS:
        raise TimestampError(
            f"the TSA signed by {token.digest}: needed {', '.join(_DIGESTS)}",
            code="timestamp.digest",
        )
    attributes = token.signer["signed_attrs"]
    if attributes.native is None or get_signing_cert_attr(attributes) is None:
        raise TimestampError(
            "the token does not say under its signature by which certificate it was signed",
            code="timestamp.certificate",
        )
    try:
        is_intact, is_valid = validate_sig_integrity(
            token.signer,
            token.certificate,
            expected_content_type="tst_info",
            actual_digest=hashlib.new(token.digest, token.signed_content).digest(),
        )
    except SignatureValidationError as error:
        raise TimestampError(
            f"the token's signature does not verify: {error.failure_message}",
            code="timestamp.signature",
        ) from error
    if not is_valid or not is_intact:
        raise TimestampError(
            "the token's signature does not verify"
            if not is_valid
            else "the token was changed after it was signed",
            code="timestamp.signature",
        )


def _require_chain(token: _Token, roots: list[Any]) -> None:
    from pyhanko_certvalidator import CertificateValidator, ValidationContext
    from pyhanko_certvalidator.errors import PathError, ValidationError

    context = ValidationContext(
        trust_roots=roots,
        other_certs=token.others,
        moment=token.time,
        allow_fetching=False,
        revocation_mode="soft-fail",
    )
    validator = CertificateValidator(token.certificate, validation_context=context)
    try:
        asyncio.run(validator.async_validate_path())
    except (PathError, ValidationError) as error:
        raise TimestampError(
            f"the TSA's certificate does not chain to a given root: {error}",
            code="timestamp.chain",
        ) from error


def _malformed(message: str) -> TimestampError:
    return TimestampError(message, code="timestamp.malformed")
