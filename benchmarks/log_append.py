"""Entries sequenced a second, beside verifying the same envelopes' signatures alone.

Ours: from entries already inserted to leaves under a signed checkpoint, everything that the
sequencer does: reading, verifying, leaves, tiles, checkpoint, file. Peer: Ed25519 verification of
the same signatures over the same bytes on one core, and nothing else (no parsing, no database).
The ratio is our entries a second over the peer's; at least 0.7 is wanted.

Beside it, the same entries without signature checks, and plain batched INSERTs of the same bytes
into the same PostgreSQL (psycopg `executemany`, 1,000 a batch).
"""

from __future__ import annotations

from benchmarks.bench import database, is_full, result, say, seconds
from benchmarks.entries import Signed, signed_entries

PLAIN_BATCH = 1000


def main() -> None:
    count = 100_000 if is_full() else 20_000
    with database() as owner_url:
        say(f"signing {count} entries")
        entries = _signed(count)
        size = sum(len(entry.envelope) for entry in entries) / count
        floor = count / seconds(_verify_all(entries))
        say(f"signatures alone: {floor:,.0f}/s")
        plain = count / seconds(lambda: _insert_plainly(owner_url, entries))
        say(f"plain batched INSERT: {plain:,.0f}/s")
        _insert_pending(entries)
        ours = count / seconds(_sequence)
        say(f"sequenced: {ours:,.0f}/s")
        unchecked = count / _seconds_unchecked(count)
        say(f"sequenced without signature checks: {unchecked:,.0f}/s")
    result(
        workload=f"sequence {count} entries of {size:.0f} bytes, signatures verified",
        ours=ours,
        peer=floor,
        unit="entries/s",
        plain_inserts=round(plain),
        ours_over_plain_inserts=round(ours / plain, 3),
        without_signature_checks=round(unchecked),
        without_signature_checks_over_plain_inserts=round(unchecked / plain, 3),
    )


def _signed(count: int) -> list[Signed]:
    from django.conf import settings

    from muniment.attest.signers import load_signer

    return list(signed_entries(count, load_signer(settings.STATEMENT_KEY_URI)))


def _verify_all(entries: list[Signed]):
    from audits.services.signing import keyring
    from muniment.attest.envelope import pae, parse_envelope

    keys = keyring().public_keys()
    prepared = []
    for entry in entries:
        parsed = parse_envelope(entry.envelope)
        [signature] = parsed.signatures
        message = pae(parsed.payload_type, parsed.payload)
        prepared.append((keys[signature.keyid].verify, signature.signature, message))

    def verify_all() -> None:
        for verify, signature, message in prepared:
            verify(signature, message)

    return verify_all


def _insert_plainly(owner_url: str, entries: list[Signed]) -> None:
    import psycopg

    with psycopg.connect(owner_url) as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE muniment_owner")
        cursor.execute("CREATE TABLE plain (id bigint PRIMARY KEY, envelope bytea NOT NULL)")
        connection.commit()
        for first in range(0, len(entries), PLAIN_BATCH):
            batch = entries[first : first + PLAIN_BATCH]
            cursor.executemany(
                "INSERT INTO plain VALUES (%s, %s)",
                [(entry.stream_seq, entry.envelope) for entry in batch],
            )
            connection.commit()


def _insert_pending(entries: list[Signed]) -> None:
    from django.utils import timezone

    from audits.models import LogEntry
    from benchmarks.entries import STREAM
    from muniment.attest.predicates import REGISTRY_EVENT

    now = timezone.now()
    LogEntry.objects.bulk_create(
        [
            LogEntry(
                envelope=entry.envelope,
                sha256=entry.sha256,
                predicate_type=REGISTRY_EVENT,
                event="model.changed",
                actor_kind="service",
                actor_id="mirror",
                subject_name=STREAM,
                subject_digest="sha256:" + "0" * 64,
                stream=STREAM,
                stream_seq=entry.stream_seq,
                at=now,
            )
            for entry in entries
        ],
        batch_size=2000,
    )


def _sequence() -> None:
    from django.utils import timezone

    from audits.services.sequencer import sequence_pending

    while sequence_pending(now=timezone.now()):
        pass


def _seconds_unchecked(count: int) -> float:
    """Sequence another stream's entries, which nobody signed, with the check taken out."""
    from audits.models import LogEntry
    from audits.services import sequencer

    LogEntry.objects.bulk_create(
        [
            LogEntry(
                envelope=bytes(entry.envelope) + b" ",
                sha256=entry.sha256[::-1],
                predicate_type=entry.predicate_type,
                event=entry.event,
                actor_kind=entry.actor_kind,
                actor_id=entry.actor_id,
                subject_name=entry.subject_name,
                subject_digest=entry.subject_digest,
                at=entry.at,
            )
            for entry in LogEntry.objects.all()[:count]
        ],
        batch_size=2000,
    )
    sequencer.refusals_of = lambda entries, _: [None] * len(entries)
    return seconds(_sequence)


if __name__ == "__main__":
    main()
