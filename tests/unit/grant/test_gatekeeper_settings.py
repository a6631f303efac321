"""The gatekeeper's environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from muniment.mlflow.settings import Settings, SettingsError


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "grant.pub"
    path.write_bytes(
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return path


def test_with_nothing_set_everything_is_governed_and_nothing_granted() -> None:
    for environ in ({}, {"MUNIMENT_GOVERNED_MODELS": " ", "MUNIMENT_GOVERNED_ALIASES": ""}):
        settings = Settings.from_environment(environ)
        assert settings.governed.models == ("*",)
        assert settings.governed.aliases == ("champion",)
        assert settings.source == "default"
        assert len(settings.problems) == 2
        assert settings.page_url("m", "1") is None


def test_all_of_it_is_read(key_file: Path) -> None:
    settings = Settings.from_environment(
        {
            "MUNIMENT_URL": "https://muniment.example.com:8443/gov/",
            "MUNIMENT_GRANT_PUBLIC_KEY_FILE": str(key_file),
            "MUNIMENT_SOURCE": "prod",
            "MUNIMENT_GOVERNED_MODELS": "credit-*, fraud ,",
            "MUNIMENT_GOVERNED_ALIASES": "champion,Production",
        }
    )
    assert settings.problems == ()
    assert settings.public_key_pem == key_file.read_text()
    assert settings.governed.models == ("credit-*", "fraud")
    assert settings.governed.aliases == ("champion", "Production")
    assert settings.source == "prod"
    model = "https://muniment.example.com:8443/gov/models/a%20b%2F%C3%BC"
    assert settings.page_url("a b/ü") == f"{model}?source=prod"
    assert settings.page_url("a b/ü", "3") == f"{model}/versions/3?source=prod"
    promotion = settings.page_url("a b/ü", "3", "champion")
    assert promotion == f"{model}/versions/3/promotions/champion?source=prod"


@pytest.mark.parametrize("content", [None, b"", b"not a key", b"\xff\xfe"])
def test_a_key_that_cannot_be_read_is_a_problem_and_not_an_open_door(
    content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "grant.pub"
    if content is not None:
        path.write_bytes(content)
    settings = Settings.from_environment(
        {"MUNIMENT_URL": "http://localhost", "MUNIMENT_GRANT_PUBLIC_KEY_FILE": str(path)}
    )
    assert settings.public_key_pem is None
    assert settings.problems == (settings.key_problem,)
    assert str(path) in settings.key_problem


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MUNIMENT_GOVERNED_MODELS", " , ,"),
        ("MUNIMENT_GOVERNED_ALIASES", ","),
        ("MUNIMENT_GOVERNED_ALIASES", "champ*"),
        ("MUNIMENT_GOVERNED_ALIASES", "champion;production"),
        ("MUNIMENT_GOVERNED_ALIASES", "champion,latest"),
        ("MUNIMENT_GOVERNED_ALIASES", "V3"),
        ("MUNIMENT_URL", "localhost:8000"),
        ("MUNIMENT_URL", "ftp://localhost"),
        ("MUNIMENT_URL", "http://"),
        ("MUNIMENT_URL", "http://localhost:port"),
        ("MUNIMENT_URL", "http://user:secret@localhost"),
        ("MUNIMENT_URL", "http://localhost/?next=1"),
    ],
)
def test_what_cannot_be_enforced_is_an_error_that_names_the_variable(
    variable: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=variable) as caught:
        Settings.from_environment({variable: value})
    assert caught.value.variable == variable
    assert "secret" not in str(caught.value)
