"""The state folder: private, held by one process, its ports and secrets kept between runs."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from config.embedded import Home
from config.embedded.errors import HomeInUse, HomeUnusable


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_is_private_and_folders_above_keep_their_mode(tmp_path: Path) -> None:
    above = tmp_path / "above"
    above.mkdir(mode=0o750)
    with Home(above / "home") as home:
        folders = [home.path, *(path for path in home.path.rglob("*") if path.is_dir())]
        assert {mode_of(folder) for folder in folders} == {0o700}
    assert mode_of(above) == 0o750


def test_folder_that_others_could_read_is_closed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    with Home(tmp_path / "home") as home:
        assert mode_of(home.path) == 0o700


def test_second_instance_in_one_folder_is_refused_in_words(tmp_path: Path) -> None:
    with Home(tmp_path), pytest.raises(HomeInUse, match=r"in use by another .*MUNIMENT_HOME"):
        Home(tmp_path).__enter__()


def test_folder_is_free_again_after_its_holder_left(tmp_path: Path) -> None:
    with Home(tmp_path):
        pass
    with Home(tmp_path) as home:
        assert home.path == tmp_path


def test_link_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "secrets").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HomeUnusable, match="secrets is not a folder"):
        Home(tmp_path / "home").__enter__()


def test_secret_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    with Home(tmp_path) as home:
        first, other = home.secret("one"), home.secret("two")
        assert mode_of(home.secret_file("one")) == 0o600
    with Home(tmp_path) as home:
        assert home.secret("one") == first
        assert home.secret("two") == other != first


def test_port_is_remembered_between_runs(tmp_path: Path) -> None:
    with Home(tmp_path) as home:
        first = home.claim_port("web")
        assert home.claim_port("web") == first
    with Home(tmp_path) as home:
        assert home.claim_port("web") == first


def test_port_that_someone_took_meanwhile_is_chosen_again(tmp_path: Path) -> None:
    with Home(tmp_path) as home:
        first = home.claim_port("web")
    with socket.create_server(("127.0.0.1", first)), Home(tmp_path) as home:
        assert home.claim_port("web") != first


def test_claimed_port_cannot_be_taken_until_it_is_released(tmp_path: Path) -> None:
    with Home(tmp_path) as home:
        port = home.claim_port("web")
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port))
        home.release_port("web")
        with socket.create_server(("127.0.0.1", port)):
            assert home.claim_port("web") == port
