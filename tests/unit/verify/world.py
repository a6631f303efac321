"""A small log, its keys and its reports, made with the kit alone: what tests then damage."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import (
    generate_private_key as generate_ec_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from securesystemslib.signer import CryptoSigner

from muniment.attest import predicates
from muniment.attest.checkpoint import Checkpoint, sign_checkpoint
from muniment.attest.commitment import person_commitment, text_commitment
from muniment.attest.digest import Digest
from muniment.attest.envelope import load_file_signer, sign_envelope
from muniment.attest.keyring import KeyEntry
from muniment.attest.keys import public_key_pem_of
from muniment.attest.merkle import inclusion_proof, leaf_hash, root_hash
from muniment.attest.note import NoteSigner
from muniment.attest.proof import format_proof
from muniment.attest.statement import StreamPosition, Subject, build_statement, format_time
from muniment.verify import Verification
from tests.unit.verify.pages import build_dossier
from tests.unit.verify.story import (
    ARTIFACTS,
    BIAS_MEASUREMENTS,
    FIRST_VERSION,
    MEASUREMENTS,
    MODEL_ROW,
    POLICY_REF,
    PROMOTION_ID,
    PROVENANCE,
    STREAM,
    VERSION,
    decision_content,
    server_evidence_digest,
    version_row,
)

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
SETUP = {"kind": "service", "id": "setup"}
REVIEWER_ID = "22222222-2222-4222-8222-222222222222"
SALT = b"\x07" * 32


@dataclass(frozen=True)
class PdfSigner:
    """A key and certificate that sign reports."""

    key: RSAPrivateKey | EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def public_pem(self) -> str:
        public = self.key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def make_pdf_signer(
    name: str, issuer: PdfSigner | None = None, *, is_ca: bool = False, is_rsa: bool = False
) -> PdfSigner:
    """Make a certificate that is valid now; self-signed without ``issuer``.

    Servers use RSA; loading such a key takes longer than all else here together.
    """
    key: RSAPrivateKey | EllipticCurvePrivateKey = (
        generate_private_key(public_exponent=65537, key_size=2048)
        if is_rsa
        else generate_ec_private_key(SECP256R1())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_ca,
                content_commitment=not is_ca,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(issuer.key if issuer else key, SHA256())
    )
    return PdfSigner(key, certificate)


def make_statement_signer(folder: Path, name: str) -> CryptoSigner:
    """Make an Ed25519 key and load it as servers do."""
    path = folder / f"{name}.pem"
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return load_file_signer(f"file2:{path}")


@dataclass
class World:
    """The log and what it is written with. ``leaves`` are envelopes, in log order."""

    log: NoteSigner
    signer: CryptoSigner
    pdf: PdfSigner
    leaves: list[bytes] = field(default_factory=list)
    stream: list[bytes] = field(default_factory=list)

    def enrol(
        self,
        *,
        types: tuple[str, ...] = predicates.PREDICATE_TYPES,
        with_pdf: bool = True,
    ) -> None:
        keys = [
            KeyEntry.for_key("statement", public_key_pem_of(self.signer), predicate_types=types)
        ]
        if with_pdf:
            keys.append(
                KeyEntry.for_key(
                    "pdf", self.pdf.public_pem, certificate_pem=self.pdf.certificate_pem
                )
            )
        for key in keys:
            self.leaves.append(
                sign_envelope(key.statement(at=format_time(NOW), actor=SETUP), self.signer)
            )

    def state(
        self,
        predicate_type: str,
        body: Mapping[str, Any],
        *,
        position: StreamPosition | None = None,
        signer: CryptoSigner | None = None,
        subject: str = VERSION,
        digest: Digest = ARTIFACTS,
    ) -> int:
        """Append a statement to the model's stream; return its leaf index."""
        whole = dict(body)
        if predicate_type not in predicates.SLSA_EVENTS:
            at = format_time(NOW + timedelta(minutes=len(self.leaves)))
            whole = {"at": at, "actor": SETUP, **whole}
        payload = build_statement(
            subjects=[Subject(subject, digest)],
            predicate_type=predicate_type,
            predicate=whole,
            position=position or self.next_position(),
        )
        envelope = sign_envelope(payload, signer or self.signer)
        self.leaves.append(envelope)
        self.stream.append(envelope)
        return len(self.leaves) - 1

    def next_position(self) -> StreamPosition:
        if not self.stream:
            return StreamPosition(STREAM, 0, None)
        return StreamPosition(STREAM, len(self.stream), Digest.of_bytes(self.stream[-1]))

    def tell_the_usual_story(self) -> None:
        """Two versions, a governed alias set without a grant, and version 2 denied for bias."""
        self.registry_event("model.appeared", STREAM, after=MODEL_ROW)
        self.registry_event("version.appeared", FIRST_VERSION, after=version_row(1))
        self.registry_event(
            "alias.set",
            FIRST_VERSION,
            after={"version": 1},
            detail={"alias": "champion"},
            violation=True,
        )
        self.registry_event("version.appeared", VERSION, after=version_row(2))
        self.state(predicates.SLSA_PROVENANCE, PROVENANCE)
        self.finding("bias", "fail", BIAS_MEASUREMENTS, criteria={"impact_ratio": 0.8})
        self.finding("performance", "pass", MEASUREMENTS)
        self.state(
            predicates.POLICY,
            {
                "event": "policy.bound",
                **POLICY_REF,
                "binding": {
                    "model": STREAM,
                    "policy": POLICY_REF["digest"],
                    "risk_tier": "high",
                },
            },
            subject=STREAM,
        )
        self.promotion("promotion.requested", "evaluating")
        for verdict in ("refuse", "approve"):
            self.review(verdict)
        self.promotion("promotion.denied", "denied", **self.decided("deny"))

    def registry_event(
        self, event: str, subject: str, *, violation: bool = False, **more: Any
    ) -> int:
        return self.state(
            predicates.REGISTRY_EVENT,
            {"event": event, "before": None, "after": None, "violation": violation, **more},
            subject=subject,
        )

    def finding(
        self,
        kind: str,
        conclusion: str,
        measurements: Mapping[str, Any],
        *,
        origin: str = "reported",
        criteria: Mapping[str, Any] | None = None,
        subject: str = VERSION,
    ) -> int:
        return self.state(
            predicates.EVIDENCE,
            {
                "event": "evidence.recorded",
                "kind": kind,
                "origin": origin,
                "conclusion": conclusion,
                "reasons": [f"{kind}: {conclusion}"],
                "criteria": dict(criteria or {}),
                "measurements": dict(measurements),
                "inputs": [],
            },
            subject=subject,
        )

    def review(self, verdict: str, event: str | None = None) -> int:
        names = {"refuse": "approval.refused", "approve": "approval.given"}
        return self.state(
            predicates.APPROVAL,
            {
                "event": event or names[verdict],
                "promotion_id": PROMOTION_ID,
                "verdict": verdict,
                "meaning": "I have reviewed this evidence.",
                "evidence_digest": self.evidence_digest(),
                "alias": "champion",
                "person": {
                    "id": REVIEWER_ID,
                    "commitment": person_commitment(SALT, f"Ada {verdict}", "reviewer"),
                },
                "role": "reviewer",
                "reason_commitment": text_commitment(SALT, f"because {verdict}"),
            },
        )

    def statements(self) -> list[dict[str, Any]]:
        """Return the stream's statements with ``leaf_index`` and ``sha256``, as JSON."""
        return [
            {
                **json.loads(base64.b64decode(json.loads(leaf)["payload"])),
                "leaf_index": index,
                "sha256": hashlib.sha256(leaf).hexdigest(),
            }
            for index, leaf in enumerate(self.leaves)
            if leaf in self.stream
        ]

    def evidence_digest(self) -> str:
        """Return what a server says is judged now: by its own code, not by the verifier's."""
        return server_evidence_digest(self.statements())

    def decided(self, verdict: str) -> dict[str, Any]:
        """Return a decision on the evidence as it stands: bias fails, all else is satisfied."""
        digest = self.evidence_digest()
        statements = self.statements()
        return {
            "decision": decision_content(verdict, digest, statements),
            "policy": POLICY_REF,
            "evidence_digest": digest,
        }

    def promotion(self, event: str, status: str, **more: Any) -> int:
        return self.state(
            predicates.PROMOTION,
            {
                "event": event,
                "promotion_id": PROMOTION_ID,
                "alias": "champion",
                "version_uri": VERSION,
                "status": status,
                **more,
            },
        )

    def forked(self) -> World:
        """Return a copy that can be written on without touching this one."""
        return replace(self, leaves=list(self.leaves), stream=list(self.stream))

    @property
    def vkey(self) -> str:
        return self.log.vkey

    def checkpoint(self) -> bytes:
        root = root_hash([leaf_hash(leaf) for leaf in self.leaves])
        return sign_checkpoint(Checkpoint(self.log.name, len(self.leaves), root), self.log)

    def evidence(self) -> dict[str, Any]:
        """Return an honest ``evidence.json`` for everything in the log."""
        note = self.checkpoint()
        hashes = [leaf_hash(leaf) for leaf in self.leaves]
        entries = [
            {
                "leaf_index": index,
                "envelope": base64.b64encode(leaf).decode(),
                "proof": format_proof(index, inclusion_proof(hashes, index), note).decode(),
            }
            for index, leaf in enumerate(self.leaves)
        ]
        disclosures: list[dict[str, str]] = []
        for verdict in ("refuse", "approve"):
            disclosures.append(
                {
                    "commitment": person_commitment(SALT, f"Ada {verdict}", "reviewer"),
                    "salt": SALT.hex(),
                    "printed_name": f"Ada {verdict}",
                    "role": "reviewer",
                }
            )
            disclosures.append(
                {
                    "commitment": text_commitment(SALT, f"because {verdict}"),
                    "salt": SALT.hex(),
                    "text": f"because {verdict}",
                }
            )
        return {
            "format": "https://muniment.dev/report-evidence/v1",
            "version_uri": VERSION,
            "stream": STREAM,
            "checkpoint": note.decode(),
            "entries": entries,
            "disclosures": disclosures,
            "dossier": build_dossier(self, note, hashes),
        }

    def report(self, evidence: Mapping[str, Any] | bytes | None = None, **options: Any) -> bytes:
        """Return a signed PDF with ``evidence`` (by default the honest one) attached."""
        content = (
            evidence
            if isinstance(evidence, bytes)
            else json.dumps(self.evidence() if evidence is None else evidence).encode()
        )
        make = render_pdf if evidence is None else attach
        return sign_pdf(make(content), options.pop("by", self.pdf), **options)


def make_world(
    folder: Path,
    *,
    enrol: Callable[[World], None] | None = None,
    pdf: PdfSigner | None = None,
) -> World:
    """Make keys, enrol them, and tell the usual story."""
    world = World(
        log=NoteSigner("muniment.test/log", Ed25519PrivateKey.generate()),
        signer=make_statement_signer(folder, "statement"),
        pdf=pdf or make_pdf_signer("Muniment report signing"),
    )
    (enrol or World.enrol)(world)
    world.tell_the_usual_story()
    return world


def render_pdf(content: bytes | None, name: str = "evidence.json", *, twice: bool = False) -> bytes:
    """Render one page with WeasyPrint, as the server does, with ``content`` attached."""
    from weasyprint import HTML, Attachment

    count = 0 if content is None else 2 if twice else 1
    attachments = [
        Attachment(string=content, name=name, relationship="Data", created=NOW, modified=NOW)
        for _ in range(count)
    ]
    pdf: bytes = HTML(string="<h1>Report</h1><p>One page.</p>").write_pdf(attachments=attachments)
    return pdf


@cache
def _bare_page() -> bytes:
    return render_pdf(None)


def attach(content: bytes) -> bytes:
    """Attach ``content`` to a page that was rendered before: many times faster than rendering."""
    from pyhanko.pdf_utils import embed
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(_bare_page()))
    embedded = embed.EmbeddedFileObject.from_file_data(writer, data=content)
    embed.embed_file(
        writer, embed.FileSpec("evidence.json", file_name="evidence.json", embedded_data=embedded)
    )
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def sign_pdf(
    unsigned: bytes,
    signer: PdfSigner,
    *,
    field_name: str = "Signature",
    spare: Sequence[PdfSigner] = (),
) -> bytes:
    """Sign with pyHanko, PAdES, invisible; ``spare`` certificates ride along."""
    from pyhanko.keys import load_certs_from_pemder_data, load_private_key_from_pemder_data
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import signers
    from pyhanko.sign.fields import SigSeedSubFilter
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    key_pem = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (certificate,) = load_certs_from_pemder_data(signer.certificate_pem.encode())
    store = SimpleCertificateStore()
    for other in spare:
        store.register_multiple(load_certs_from_pemder_data(other.certificate_pem.encode()))
    simple = signers.SimpleSigner(
        signing_cert=certificate,
        signing_key=load_private_key_from_pemder_data(key_pem, passphrase=None),
        cert_registry=store,
    )
    out = io.BytesIO()
    signers.sign_pdf(
        IncrementalPdfFileWriter(io.BytesIO(unsigned)),
        signers.PdfSignatureMetadata(
            field_name=field_name, subfilter=SigSeedSubFilter.PADES, md_algorithm="sha256"
        ),
        signer=simple,
        output=out,
    )
    return out.getvalue()


def failures(verification: Verification) -> dict[str, str | None]:
    """Return what failed on its own account: id → code, without what was not reached."""
    return {
        finding.id: finding.code
        for finding in verification.findings
        if not finding.holds and finding.code != "verify.not_reached"
    }
