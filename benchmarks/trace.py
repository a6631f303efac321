"""What depends on this dataset, among 100,000 lineage records, however deep.

Ours: the whole question as the page and the interface ask it (the artifact found, the versions
counted, the first 100 of them with how it came into each), p50 and p99 over random datasets; and
how much longer than among 10,000 records. Peer: the naive scan of `lineage_record.facts` in the
same PostgreSQL, which finds direct uses alone and explains nothing.

Of every ten records three are tuned one from another, each dataset trains about twenty versions,
and every tenth version was recorded twice. As a worst case a package is traced that every version
has.
"""

from __future__ import annotations

import random
import statistics

from benchmarks.bench import database, is_full, result, say, seconds

SMALL, LARGE = 10_000, 100_000
SAMPLES, SCANS = 300, 7
PAGE = 100

# Every statement takes the first and last number of the records that it makes.
_LOAD = (
    """INSERT INTO audits_log_entry (id, envelope, sha256, predicate_type, event, actor_kind,
           actor_id, subject_name, subject_digest, is_violation, at)
       SELECT 1000000 + n, 'x', encode(sha256(('entry' || n)::bytea), 'hex'), 't',
           'lineage.recorded', 'service', 'recorder', 's', 'd', false, now()
       FROM generate_series(%s, %s) n""",
    """INSERT INTO lineage_record (id, version_uri, stream, subject_digest, run_id, legs, facts,
           artifacts, recorded_at, entry_id)
       SELECT md5('record' || n)::uuid, '{uri}', 'model-' || v / 10, 'd', '',
           '{}', jsonb_build_object(
               'dataset', jsonb_build_object('name', 'd' || v / 20, 'sha256',
                   encode(sha256(('data' || v / 20)::bytea), 'hex')),
               'commit', md5('commit' || v / 2), 'parameters', '{"C": "1.0"}'::jsonb,
               'packages', (SELECT jsonb_object_agg('package-' || p, '1.' || p)
                            FROM generate_series(1, 80) p)),
           '{}', now(), 1000000 + n
       FROM generate_series(%s, %s) n, LATERAL (SELECT {version} AS v) AS number""",
    """INSERT INTO lineage_node_record (key)
       SELECT key FROM generate_series(%s, %s) n, LATERAL (SELECT {version} AS v) AS number,
       LATERAL (VALUES ('sha256:' || encode(sha256(('data' || v / 20)::bytea), 'hex')),
           ('gitCommit:' || md5('commit' || v / 2) || '00000000'),
           ('sha256:' || encode(sha256(('lock' || v / 200)::bytea), 'hex')),
           ('dirHash:' || encode(sha256(('tree' || v)::bytea), 'hex')),
           ('models:/model-' || v / 10 || '/' || v %% 10 + 1 || '?source=default')) AS made (key)
       ON CONFLICT DO NOTHING""",
    """INSERT INTO lineage_edge_record (record_id, node_id, role, name)
       SELECT md5('record' || n)::uuid, node.id, role, ''
       FROM generate_series(%s, %s) n, LATERAL (SELECT {version} AS v) AS number,
       LATERAL (VALUES
           ('training', 'sha256:' || encode(sha256(('data' || v / 20)::bytea), 'hex')),
           ('code', 'gitCommit:' || md5('commit' || v / 2) || '00000000'),
           ('environment', 'sha256:' || encode(sha256(('lock' || v / 200)::bytea), 'hex')),
           ('model', 'dirHash:' || encode(sha256(('tree' || v)::bytea), 'hex')),
           ('model', 'models:/model-' || v / 10 || '/' || v %% 10 + 1 || '?source=default'),
           (CASE WHEN v %% 10 BETWEEN 1 AND 3 THEN 'base_model' END,
            'dirHash:' || encode(sha256(('tree' || v - 1)::bytea), 'hex'))) AS drawn (role, key)
       JOIN lineage_node_record node USING (key) WHERE role IS NOT NULL""",
    """INSERT INTO registry_modelversion (registered_model_id, version, uri,
           creation_timestamp_ms, run_id, source_uri, stage, row, row_hash, first_seen_at)
       SELECT {model}, v + 1, '{uri}', 1, '', '', '', '{}', 'h', now()
       FROM generate_series(%s, %s) n, LATERAL (SELECT {version} AS v) AS number
       WHERE n %% 11 <> 10""",
)
# Ten versions, and the last of them once more.
_VERSION = "(n / 11) * 10 + LEAST(n %% 11, 9)"
_URI = "muniment://default/models/fraud@1/versions/' || v + 1 || '"
_PACKAGES = (
    """INSERT INTO lineage_node_record (key)
       SELECT 'package-' || p || '==1.' || p FROM generate_series(1, 80) p
       ON CONFLICT DO NOTHING""",
    """INSERT INTO lineage_package_record (environment_id, package_id)
       SELECT DISTINCT edge.node_id, package.id
       FROM (SELECT DISTINCT node_id FROM lineage_edge_record WHERE role = 'environment') edge
       JOIN lineage_node_record package ON package.key LIKE 'package-%'
       ON CONFLICT DO NOTHING""",
)


def main() -> None:
    large = LARGE * 10 if is_full() else LARGE
    with database():
        from django.utils import timezone

        from registry.models import RegisteredModel, RegistrySource

        source = RegistrySource.objects.create(name="default", uri="http://mlflow.example")
        model = RegisteredModel.objects.create(
            source=source,
            creation_timestamp_ms=1,
            first_seen_name="fraud",
            name="fraud",
            row={},
            row_hash="h",
            first_seen_at=timezone.now(),
        )
        say(f"{SMALL} records")
        _load(0, SMALL - 1, model.pk)
        before = sorted(seconds(lambda at=at: _ask(at)) for at in _datasets(SMALL))
        say(f"{large} records")
        _load(SMALL, large - 1, model.pk)
        after = sorted(seconds(lambda at=at: _ask(at)) for at in _datasets(large))
        package = seconds(lambda: _ask("package-7==1.7"))
        peer = statistics.median(
            seconds(lambda at=at: _scan(at)) for at in _datasets(large)[:SCANS]
        )
    p50, p99 = statistics.median(after), after[int(len(after) * 0.99)]
    result(
        workload=f"what depends on a dataset, {large} records, p50",
        ours=p50 * 1000,
        peer=peer * 1000,
        unit="ms",
        p99_ms=round(p99 * 1000, 3),
        of_ten_thousand_p50_ms=round(statistics.median(before) * 1000, 3),
        growth=round(p50 / statistics.median(before), 3),
        package_of_every_version_ms=round(package * 1000, 1),
    )


def _load(first: int, last: int, model: int) -> None:
    from django.db import connections

    with connections["owner"].cursor() as cursor:
        for statement in _LOAD:
            sql = statement.replace("{version}", _VERSION).replace("{uri}", _URI)
            cursor.execute(sql.replace("{model}", str(model)), [first, last])
        for statement in _PACKAGES:
            cursor.execute(statement)
    connections["owner"].close()
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _datasets(records: int) -> list[str]:
    import hashlib

    numbers = random.Random(1).choices(range(records * 10 // 11 // 20), k=SAMPLES)
    return [hashlib.sha256(f"data{number}".encode()).hexdigest() for number in numbers]


def _ask(text: str) -> None:
    from registry.api.paging import page_of
    from registry.selectors.trace import TraceFilter, explain, trace, versions_depending_on

    traced = trace(text, TraceFilter())
    found, said = page_of(versions_depending_on(traced), 1, size=PAGE)
    told = explain(traced, found)
    assert said["count"] >= len(told) == min(PAGE, said["count"]) > 0


def _scan(sha256: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT version_uri FROM lineage_record WHERE facts -> 'dataset' ->> 'sha256' = %s",
            [sha256],
        )
        assert len(cursor.fetchall()) >= 20


if __name__ == "__main__":
    main()
