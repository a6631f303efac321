"""Object stores, by the real library on a real S3 server: prefixes, versions, credentials."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from botocore.config import Config
from deltalake import DeltaTable, write_deltalake

from muniment.attest.digest import Digest, dir_hash
from muniment.datasets import (
    Access,
    AllowedPlace,
    DatasetChanged,
    DatasetMissing,
    DatasetRefused,
    DatasetUnreachable,
    digest_dataset,
    fetch_dataset,
    refer,
)
from tests.integration.datasets.references import fetched, pointing
from tests.integration.datasets.web_server import Answer, web_server

CONTENT = os.urandom(9_000_000)  # more than is read at a time


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path_factory.mktemp("s3") / "s3.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        for _ in range(600):
            assert server.poll() is None, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait(10)


@pytest.fixture
def machine(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a training machine's environment holds, and a client of the emptied store."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "trainer",
        "AWS_SECRET_ACCESS_KEY": "trainers-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "LOANS_KEY": "muniment",
        "LOANS_SECRET": "muniments-secret",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    import requests

    requests.post(f"{endpoint}/moto-api/reset", timeout=10)
    for bucket in ("loans", "versions"):
        client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    yield client
    client.close()


def place(endpoint: str, prefix: str, **fields: Any) -> AllowedPlace:
    credentials = {"key": "LOANS_KEY", "secret": "LOANS_SECRET"}
    options = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    return AllowedPlace(prefix, **{"credentials": credentials, "options": options, **fields})


@pytest.fixture
def access(endpoint: str) -> Access:
    return Access((place(endpoint, "s3://loans/2026"), place(endpoint, "s3://versions")))


def put(client: Any, key: str, body: bytes, bucket: str = "loans") -> None:
    client.put_object(Bucket=bucket, Key=key, Body=body)


def test_an_object_is_named_and_fetched_and_a_change_is_found(
    machine: Any, access: Access, tmp_path: Path
) -> None:
    put(machine, "2026/a b/loans%2e.csv", CONTENT)
    reference = refer("s3://loans/2026/a b/loans%2e.csv")
    assert (reference.kind, reference.digest) == ("object", Digest.of_bytes(CONTENT))
    assert "named no version" in reference.weak_reason
    assert fetched(reference, tmp_path / "to", access).name == "loans%2e.csv"
    put(machine, "2026/a b/loans%2e.csv", CONTENT[:-1] + b"~")
    with pytest.raises(DatasetChanged, match="its bytes were changed since"):
        fetch_dataset(reference, tmp_path, access, checkout=None)
    assert not (tmp_path / "loans%2e.csv").exists()
    machine.delete_object(Bucket="loans", Key="2026/a b/loans%2e.csv")
    with pytest.raises(DatasetMissing):
        digest_dataset(reference, access)


def test_a_prefix_is_a_folder_with_everything_below_it_and_nothing_beside(
    machine: Any, access: Access, tmp_path: Path
) -> None:
    content = {"a.csv": b"a", "deep/b.csv": b"bb", "deep/er/c ü.csv": b"", "large": CONTENT}
    for name, body in content.items():
        put(machine, f"2026/images/{name}", body)
        (tmp_path / "same" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "same" / name).write_bytes(body)
    put(machine, "2026/images-of-others/x.csv", b"x")
    put(machine, "2026/images.csv", b"x")
    put(machine, "2026/images/deep/", b"")  # a marker, as consoles make them
    reference = refer("s3://loans/2026/images/")
    assert reference.digest == dir_hash(tmp_path / "same")
    assert reference.size_bytes == sum(map(len, content.values()))
    path = fetched(reference, tmp_path / "to", access)
    assert dir_hash(path) == reference.digest
    put(machine, "2026/images/new.csv", b"")
    with pytest.raises(DatasetChanged):
        fetch_dataset(reference, tmp_path, access, checkout=None)


def test_a_version_of_an_object_is_pinned_and_stays(
    machine: Any, access: Access, tmp_path: Path
) -> None:
    put(machine, "loans.csv", CONTENT, "versions")
    reference = refer("s3://versions/loans.csv")
    assert reference.is_pinned
    assert reference.details["version_id"]
    put(machine, "loans.csv", b"newer", "versions")
    assert digest_dataset(replace(reference, details={}), access) == Digest.of_bytes(b"newer")
    assert fetched(reference, tmp_path / "to", access).read_bytes() == CONTENT
    newer = refer("s3://versions/loans.csv")
    assert newer.digest == Digest.of_bytes(b"newer")
    machine.delete_object(
        Bucket="versions", Key="loans.csv", VersionId=reference.details["version_id"]
    )
    with pytest.raises(DatasetMissing):
        digest_dataset(reference, access)
    with pytest.raises((DatasetMissing, DatasetUnreachable)):
        digest_dataset(pointing(reference, reference.uri, version_id="../../x"), access)


def test_only_what_is_allowed_is_asked_for(
    machine: Any, access: Access, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(machine, "2026/loans.csv", CONTENT)
    put(machine, "2025/loans.csv", CONTENT)
    reference = refer("s3://loans/2026/loans.csv")
    for uri in (
        "s3://loans/2025/loans.csv",
        "s3://loans/2026/../2025/loans.csv",
        "s3://loans/20261/loans.csv",
        "s3://other/2026/loans.csv",
        "s3://loans",
        "gs://loans/2026/loans.csv",
        "s3://key:secret@loans/2026/loans.csv",
    ):
        with pytest.raises(DatasetRefused) as refused:
            digest_dataset(pointing(reference, uri), access)
        assert "secret@" not in refused.value.message
    small = replace(access, max_bytes=100)
    with pytest.raises(DatasetRefused, match="more than the 100 bytes"):
        digest_dataset(reference, small)
    with pytest.raises(DatasetRefused, match="more than the 100 bytes"):
        digest_dataset(pointing(reference, "s3://loans/2026"), small)
    monkeypatch.delenv("LOANS_SECRET")
    with pytest.raises(DatasetRefused, match="LOANS_SECRET") as refused:
        digest_dataset(reference, access)
    assert refused.value.code == "dataset.credentials"


def test_keys_that_lead_out_of_a_folder_are_refused(
    machine: Any, access: Access, tmp_path: Path
) -> None:
    put(machine, "2026/images/a.csv", b"a")
    reference = refer("s3://loans/2026/images")
    for key in ("../../escaped", "//escaped", "a/../../../escaped", "./x"):
        put(machine, f"2026/images/{key}", b"x")
        destination = tmp_path / "one" / "two"
        destination.mkdir(parents=True, exist_ok=True)
        with pytest.raises((DatasetRefused, DatasetChanged)):
            fetch_dataset(reference, destination, access, checkout=None)
        assert not list(tmp_path.rglob("escaped"))
        machine.delete_object(Bucket="loans", Key=f"2026/images/{key}")


def test_names_that_no_disk_takes_are_refused(machine: Any, access: Access, tmp_path: Path) -> None:
    for name, others in (("both", ("a", "a/b")), ("long", ("x" * 300,))):
        for other in others:
            put(machine, f"2026/{name}/{other}", b"x")
        reference = refer(f"s3://loans/2026/{name}")
        with pytest.raises(DatasetRefused, match="no file can be called"):
            fetch_dataset(reference, tmp_path, access, checkout=None)
        assert not (tmp_path / name).exists()


def test_no_credential_but_the_places_own_leaves_the_process(machine: Any, tmp_path: Path) -> None:
    """A place without credentials asks as nobody, whatever this process's environment holds."""
    with web_server() as recording:
        address = f"http://127.0.0.1:{recording.port}"
        wanted = pointing(refer_nothing(tmp_path), "s3://loans/2026/loans.csv")
        public = Access((place(address, "s3://loans", credentials={}),))
        with pytest.raises((DatasetMissing, DatasetUnreachable)):
            digest_dataset(wanted, public)
        assert recording.asked
        assert not any("Authorization" in headers for _, headers in recording.asked)
        asked = len(recording.asked)
        with pytest.raises((DatasetMissing, DatasetUnreachable)):
            digest_dataset(wanted, Access((place(address, "s3://loans"),)))
        signed = [headers["Authorization"] for _, headers in recording.asked[asked:]]
        assert signed
        assert all("Credential=muniment/" in one for one in signed)
        assert not any("trainer" in str(headers) for _, headers in recording.asked)


def refer_nothing(folder: Path) -> Any:
    (folder / "nothing").touch()
    return refer(folder / "nothing")


def test_a_store_that_is_not_there_is_unreachable(
    machine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    access = Access((place(f"http://127.0.0.1:{port}", "s3://loans"),))
    with pytest.raises(DatasetUnreachable) as refused:
        digest_dataset(pointing(refer_nothing(tmp_path), "s3://loans/x"), access)
    assert "muniments-secret" not in refused.value.message
    with pytest.raises(DatasetRefused, match="opens gs://"):
        digest_dataset(
            pointing(refer_nothing(tmp_path), "gs://loans/x"), Access((AllowedPlace("gs://loans"),))
        )


def test_a_delta_table_in_a_store(machine: Any, access: Access, tmp_path: Path) -> None:
    table = tmp_path / "table"
    for loans in ([1, 2], [3]):
        write_deltalake(table, pa.table({"loan": loans}), mode="append")
    for path in table.rglob("*"):
        if path.is_file():
            put(machine, f"2026/table/{path.relative_to(table)}", path.read_bytes())
    reference = refer("s3://loans/2026/table", version=0)
    assert (reference.kind, reference.is_pinned) == ("delta", True)
    assert refer("s3://loans/2026/table").details["version"] == "1"
    path = fetched(reference, tmp_path / "to", access)
    assert DeltaTable(path, version=0).to_pyarrow_table()["loan"].to_pylist() == [1, 2]
    changed = DeltaTable(table, version=0).file_uris()[0].rpartition("/")[2]
    put(machine, f"2026/table/{changed}", b"other")
    shutil.rmtree(path)
    with pytest.raises(DatasetChanged):
        fetch_dataset(reference, tmp_path / "to", access, checkout=None)


def test_a_store_redirects_nowhere(
    machine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever answers for a store could have it asked in our own network."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with web_server() as store, web_server() as inside:
        moved = Answer(307, {"Location": f"http://127.0.0.1:{inside.port}/secret"})
        store.answers["/loans/2026/loans.csv"] = store.answers["/loans"] = moved
        access = Access((place(f"http://127.0.0.1:{store.port}", "s3://loans"),))
        with pytest.raises(DatasetRefused, match="points elsewhere"):
            digest_dataset(pointing(refer_nothing(tmp_path), "s3://loans/2026/loans.csv"), access)
        assert store.asked
        assert inside.asked == []
