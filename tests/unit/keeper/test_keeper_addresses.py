"""Where the keeper looks: flag > environment > config.toml > default; what is no address."""

import os
from pathlib import Path

import pytest

from rbee.errors import BadSettings, InvalidRequest
from rbee.foundation.announcements import Announcement, announcement_path
from rbee.foundation.files import write_struct
from rbee.foundation.processes import mark
from rbee.keeper.addresses import address_of, port_of
from rbee.keeper.urls import as_url


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RBEE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("RBEE_DATA_DIR", str(tmp_path))


def announce(port: int) -> None:
    process = mark(os.getpid())
    assert process is not None
    announcement_path("queen").parent.mkdir(parents=True)
    write_struct(
        announcement_path("queen"),
        Announcement(room="queen", base_url=f"http://localhost:{port}", port=port, process=process),
    )


def test_the_order_of_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert address_of("queen", None).url == "http://localhost:7833"
    monkeypatch.setenv("RBEE_QUEEN_PORT", "7999")
    assert address_of("queen", None).url == "http://localhost:7999"
    announce(8123)
    assert address_of("queen", None).url == "http://localhost:8123"
    assert not address_of("queen", None).named
    (tmp_path / "config.toml").write_text('[keeper]\nqueen_url = "http://from-file:1"\n')
    assert address_of("queen", None).url == "http://from-file:1"
    monkeypatch.setenv("RBEE_QUEEN_URL", "http://from-env:2")
    assert address_of("queen", None).url == "http://from-env:2"
    found = address_of("queen", "http://from-flag:3/")
    assert (found.url, found.named) == ("http://from-flag:3", True)


def test_the_port_of_another_rooms_section(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[hive]\nport = 8001\nslots = 2\n")
    assert port_of("hive") == 8001
    (tmp_path / "config.toml").write_text('[hive]\nport = "many"\n')
    with pytest.raises(BadSettings, match=r"`port` in \[hive\]"):
        port_of("hive")


@pytest.mark.parametrize(
    ("text", "param", "url"),
    [
        ("gaming-pc", "--queen", "http://gaming-pc:7833"),
        ("gaming-pc", "--hive", "http://gaming-pc:7835"),
        ("10.0.0.2:99", "--queen", "http://10.0.0.2:99"),
        ("https://ai.lan/", "--queen", "https://ai.lan"),
        ("http://[::1]:7833", "--queen", "http://[::1]:7833"),
    ],
)
def test_what_people_write_for_an_address(text: str, param: str, url: str) -> None:
    assert as_url(text, param=param) == url


@pytest.mark.parametrize("text", ["ftp://x", "http://", "http://a:port", "http://a:99999"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InvalidRequest, match="--queen"):
        as_url(text, param="--queen")
