"""``rbee keys``: lengths of time as people write them, and a key's row."""

import pytest

from rbee.contracts.keys import ApiKey
from rbee.errors import InvalidRequest
from rbee.keeper.cli.keys import key_row, scopes_of, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("12h", 43_200),
        ("30d", 2_592_000),
        ("8w", 4_838_400),
        (" 1 D ", 86_400),
    ],
)
def test_a_length_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0d", "30", "d", "-1d", "1.5h", "1y", "30d12h", "9" * 12 + "s"]
)
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(InvalidRequest, match="length of time"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("words", "scopes"),
    [
        (["inference"], ["inference"]),
        (["inference", "jobs"], ["inference", "jobs"]),
        (["read, Jobs", "operator"], ["read", "jobs", "operator"]),
    ],
)
def test_scopes_as_people_write_them(words: list[str], scopes: list[str]) -> None:
    assert scopes_of(words) == scopes


@pytest.mark.parametrize("word", ["", "admin", "inference,", "hive", "open"])
def test_what_is_no_scope(word: str) -> None:
    with pytest.raises(InvalidRequest, match="no scope") as refused:
        scopes_of([word])
    assert "inference, jobs, read, operator" in refused.value.remedy


def test_a_row_says_whose_what_and_how_long() -> None:
    key = ApiKey(
        id="key-1",
        name="alice",
        hint="rbee_1a2b",
        scopes=["inference", "jobs"],
        models=["llama-*"],
        expires_at=1090.0,
        requests_per_min=60,
        tokens_per_min=9000,
        tokens_per_day=50_000,
        tokens_today=120,
    )
    limits = "60 requests/min, 9000 tokens/min, 120 of 50000 tokens today"
    row = ("alice", "key-1", "rbee_1a2b…", "inference, jobs", "llama-*", "1 min 30 s", limits)
    assert key_row(key, 1000.0) == row


def test_a_row_of_config_toml_and_an_expired_one() -> None:
    kept = ApiKey(id="config:t", name="t", hint="", scopes=["read"], models=[], configured=True)
    assert key_row(kept, 1000.0) == ("t", "config:t", "config.toml", "read", "all", "never", "-")
    gone = ApiKey(
        id="key-1",
        name="g",
        hint="rbee_0",
        scopes=["read"],
        models=[],
        expires_at=9.0,
        expired=True,
    )
    assert key_row(gone, 1000.0)[5] == "expired"
