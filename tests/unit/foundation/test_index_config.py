"""What pip and uv are told, read from made-up environments and files."""

import os
from pathlib import Path

import pytest

from rbee.foundation.packages.index_config import PUBLIC_INDEX, IndexConfig, read_index_config


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment whose configuration folders are empty."""
    home = str(tmp_path)
    return {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_CONFIG_DIRS": home, "APPDATA": home,
            "PROGRAMDATA": home, "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}  # fmt: skip


def test_nothing_said_means_the_public_index(nowhere: dict[str, str]) -> None:
    config = read_index_config(nowhere)
    assert config == IndexConfig(index_urls=(), public=True)
    assert config.shown() == [PUBLIC_INDEX]


def test_pips_variables(nowhere: dict[str, str]) -> None:
    nowhere |= {
        "PIP_INDEX_URL": "https://a/simple",
        "PIP_EXTRA_INDEX_URL": "https://b/simple\nhttps://c/simple",
        "PIP_FIND_LINKS": "/wheels https://d/links",
        "PIP_TRUSTED_HOST": "b",
        "PIP_CERT": "/ca.pem",
    }
    assert read_index_config(nowhere) == IndexConfig(
        index_urls=("https://a/simple", "https://b/simple", "https://c/simple"),
        find_links=("/wheels", "https://d/links"),
        trusted_hosts=("b",),
        public=False,
        ca_file="/ca.pem",
    )


def test_uvs_variables(nowhere: dict[str, str]) -> None:
    nowhere |= {
        "UV_DEFAULT_INDEX": "main=https://a/simple",
        "UV_INDEX_URL": "https://old/simple",
        "UV_INDEX": "inner=https://b/simple https://c/simple?x=1",
        "UV_EXTRA_INDEX_URL": "https://e/simple",
        "UV_FIND_LINKS": "/one,/two",
        "SSL_CERT_FILE": "/ssl.pem",
    }
    assert read_index_config(nowhere) == IndexConfig(
        index_urls=(
            "https://a/simple",
            "https://b/simple",
            "https://c/simple?x=1",
            "https://e/simple",
        ),
        find_links=("/one", "/two"),
        public=False,
        ca_file="/ssl.pem",
    )


def test_files_and_their_order(nowhere: dict[str, str], tmp_path: Path) -> None:
    near = tmp_path / "near.conf"
    near.write_text("[global]\nindex-url = https://near/simple\n")
    folder = tmp_path / "pip"
    folder.mkdir()
    name = "pip.ini" if os.name == "nt" else "pip.conf"
    (folder / name).write_text(
        "[global]\nindex-url = https://far/simple\nextra-index-url =\n  https://x/simple\n"
        "  https://y/simple\n[install]\nfind_links = /wheels\n"
    )
    nowhere["PIP_CONFIG_FILE"] = str(near)
    config = read_index_config(nowhere)
    assert config.index_urls == ("https://near/simple", "https://x/simple", "https://y/simple")
    assert config.find_links == ("/wheels",)


def test_uvs_file(nowhere: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "my-uv.toml"
    path.write_text(
        'find-links = ["/wheels"]\n[[index]]\nurl = "https://a/simple"\ndefault = true\n'
        '[[index]]\nname = "b"\nurl = "https://b/simple"\n[pip]\nextra-index-url = ["https://c"]\n'
    )
    del nowhere["UV_NO_CONFIG"]
    nowhere["UV_CONFIG_FILE"] = str(path)
    config = read_index_config(nowhere)
    assert config.index_urls == ("https://a/simple", "https://c", "https://b/simple")
    assert config.find_links == ("/wheels",)


def test_broken_files_count_as_absent(nowhere: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_bytes(b"\xff[[[")
    del nowhere["UV_NO_CONFIG"]
    nowhere |= {"PIP_CONFIG_FILE": str(path), "UV_CONFIG_FILE": str(path)}
    config = read_index_config(nowhere)
    assert (config.index_urls, config.public) == ((), True)


def test_no_index_means_no_index(nowhere: dict[str, str]) -> None:
    nowhere |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
    assert read_index_config(nowhere) == IndexConfig(
        index_urls=(), find_links=("/wheels",), public=False
    )


def test_credentials_are_never_shown(nowhere: dict[str, str]) -> None:
    nowhere["PIP_INDEX_URL"] = "https://user:secret@a:8443/simple?token=secret"
    config = read_index_config(nowhere)
    assert config.shown() == ["https://a:8443/simple"]
    assert "secret" not in f"{config!r}{config}"
