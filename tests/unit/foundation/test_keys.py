"""Keys and their principals: whose key it is, what it may ask for, what it may not do."""

import time
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from rbee.contracts.principals import (
    ANYBODY,
    COLONY,
    INFERENCE_ONLY,
    LOCAL,
    KeySetting,
    Principal,
    priority_for,
)
from rbee.errors import BadSettings, CapacityError, Forbidden, InvalidApiKey, InvalidRequest
from rbee.foundation import config
from rbee.foundation.http.gate import OPEN, admit, make_policy
from rbee.foundation.http.keys import Keyring, make_keyring
from rbee.queen.settings import Settings

ALICE = "made-up-key-of-alice"
HOST = {b"host": b"localhost"}


def entry(name: str = "alice", key: str = ALICE, priority: int = 0) -> KeySetting:
    return KeySetting(
        name=name,
        sha256=sha256(key.encode()).hexdigest(),
        requests_per_min=60,
        tokens_per_min=9000,
        priority=priority,
    )


def bearer(key: str) -> dict[bytes, bytes]:
    return HOST | {b"authorization": b"Bearer " + key.encode()}


def test_a_key_leads_to_its_principal_however_it_is_shown() -> None:
    ring = make_keyring("colony-key", [entry(priority=3)])
    alice = Principal("key:alice", "alice", 3, 60, 9000, 3)
    for headers in (
        {b"authorization": b"Bearer " + ALICE.encode()},
        {b"authorization": b"bearer  " + ALICE.encode() + b" "},
        {b"x-api-key": ALICE.encode()},
    ):
        assert ring.find(headers) == alice
        assert ring.find(headers) is ring.find(headers)
    assert ring.find({b"authorization": b"Bearer colony-key"}) is COLONY


def test_however_a_key_is_spelt_few_headers_are_remembered() -> None:
    ring = make_keyring("colony-key", [entry()])
    for number in range(5000):
        with pytest.raises(InvalidApiKey):
            ring.find({b"x-api-key": b"%d" % number})
        ring.find({b"authorization": b"Bearer" + b" " * (number + 1) + ALICE.encode()})
    assert 0 < ring.remembered <= 1024


def test_without_a_colony_key_anyone_is_local_and_a_known_key_still_counts() -> None:
    ring = make_keyring(None, [entry()])
    assert ring.find({}) is LOCAL
    assert ring.find({b"authorization": b"Bearer none"}) is LOCAL
    assert ring.find({b"x-api-key": ALICE.encode()}).name == "alice"


def test_with_a_colony_key_others_are_refused() -> None:
    ring = make_keyring("colony-key", [entry()])
    for headers in ({}, {b"x-api-key": b"none"}, {b"authorization": b"Basic colony-key"}):
        with pytest.raises(InvalidApiKey):
            ring.find(headers)


def test_a_clients_key_opens_the_shared_paths_only() -> None:
    policy = make_policy(
        "127.0.0.1",
        7833,
        key="colony-key",
        hosts=[],
        origins=[],
        keys=[entry()],
        needs=lambda _method, path: INFERENCE_ONLY if path == "/v1/models" else frozenset(),
    )
    assert admit(policy, "/v1/models", bearer(ALICE)).name == "alice"
    with pytest.raises(Forbidden, match="alice"):
        admit(policy, "/v1/shutdown", bearer(ALICE))
    assert admit(policy, "/v1/shutdown", bearer("colony-key")) is COLONY
    assert admit(policy, "/health", HOST) is ANYBODY


@pytest.mark.parametrize(
    ("keys", "colony"),
    [
        ([entry(), entry(key="other")], None),
        ([entry(), entry(name="bob")], None),
        ([entry()], ALICE),
    ],
)
def test_a_name_or_a_key_that_stands_twice_is_refused(
    keys: list[KeySetting], colony: str | None
) -> None:
    with pytest.raises(BadSettings, match=r"alice|bob"):
        make_keyring(colony, keys)


@pytest.mark.parametrize(
    ("asked", "got"),
    [(None, 3), (7, 3), ("high", 3), ("2", 2), ("low", -10), (" Normal ", 0), ("-100", -100)],
)
def test_a_keys_own_priority_caps_what_it_may_ask_for(asked: int | str | None, got: int) -> None:
    assert priority_for(make_keyring(None, [entry(priority=3)]).find(bearer(ALICE)), asked) == got


def test_operators_may_ask_for_any_priority() -> None:
    assert priority_for(LOCAL, None) == 0
    assert priority_for(COLONY, "100") == 100


@pytest.mark.parametrize("asked", ["urgent", "", "101", "-101", "1.5", 1000])
def test_a_priority_that_is_none_is_refused(asked: int | str) -> None:
    with pytest.raises(InvalidRequest, match="priority"):
        priority_for(LOCAL, asked)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RBEE_CONFIG_DIR", str(tmp_path))
    return tmp_path


def test_keys_come_from_the_settings(folder: Path) -> None:
    digest = sha256(ALICE.encode()).hexdigest()
    text = f'[[queen.keys]]\nname = "alice"\nsha256 = "{digest}"\npriority = 5\n'
    (folder / "config.toml").write_text(text, encoding="utf-8")
    (key,) = config.load("queen", Settings).keys
    assert key == KeySetting(name="alice", sha256=digest, priority=5)


@pytest.mark.parametrize(
    "line", ['sha256 = "abc"', "priority = 101", "requests_per_min = 0", 'key = "clear"']
)
def test_a_key_setting_that_cannot_be_is_refused(folder: Path, line: str) -> None:
    digest = "" if line.startswith("sha256") else f'sha256 = "{"0" * 64}"\n'
    text = f'[[queen.keys]]\nname = "alice"\n{digest}{line}\n'
    (folder / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BadSettings):
        config.load("queen", Settings)


def test_keys_come_and_go_while_the_server_runs() -> None:
    ring = make_keyring("colony-key", [])
    digest = sha256(ALICE.encode()).digest()
    alice = Principal("key-1", "alice")
    seal = ring.seal
    ring.put(digest, alice)
    assert ring.seal is not seal
    assert ring.find(bearer(ALICE)) is alice
    gone, seal = ring.gone(alice), ring.seal
    ring.drop(digest)
    assert gone.is_set()
    assert ring.seal is not seal
    with pytest.raises(InvalidApiKey):
        ring.find(bearer(ALICE))
    assert ring.find(bearer("colony-key")) is COLONY


def test_a_key_expires() -> None:
    now = [1000.0]
    ring = Keyring({}, locked=True, now=lambda: now[0])
    ring.put(b"x" * 32, Principal("key-2", "bob"), expires_at=2000.0)
    ring.put(sha256(ALICE.encode()).digest(), Principal("key-1", "alice"), expires_at=1001.0)
    assert ring.drop_expired() == 1001.0
    assert ring.find(bearer(ALICE)).name == "alice"
    now[0] = 1001.0
    with pytest.raises(InvalidApiKey):
        ring.whose(ALICE.encode())
    assert ring.drop_expired() == 2000.0
    with pytest.raises(InvalidApiKey):
        ring.find(bearer(ALICE))


def test_a_key_of_ours_that_is_unknown_opens_nothing_even_without_a_lock() -> None:
    ring = make_keyring(None, [])
    assert ring.find(bearer("sk-made-up")) is LOCAL
    with pytest.raises(InvalidApiKey):
        ring.find(bearer("rbee_revoked"))


def test_until_all_keys_are_known_one_of_ours_is_told_to_come_back() -> None:
    ring = make_keyring("colony-key", [entry()])
    ring.missing = CapacityError("not yet")
    with pytest.raises(CapacityError):
        ring.find(bearer("rbee_perhaps"))
    with pytest.raises(InvalidApiKey):
        ring.find(bearer("no key of ours"))
    assert ring.find(bearer(ALICE)).name == "alice"


@pytest.mark.parametrize(
    ("patterns", "name", "may"),
    [
        ((), "anything", True),
        (("starter",), "starter", True),
        (("starter",), "Starter", True),
        (("starter",), "starter-2", False),
        (("llama-*",), "llama-3.2-1b", True),
        (("llama-*",), "my-llama-3", False),
        (("*/Qwen*:*Q4*",), "unsloth/Qwen3-GGUF:qwen3-Q4_K_M.gguf", True),
        (("*/Qwen*:*Q4*",), "unsloth/Qwen3-GGUF:qwen3-Q8_0.gguf", False),
        (("a?c",), "abc", True),
        (("a?c",), "ac", False),
        (("[ab]*",), "a", False),
        (("a.c",), "abc", False),
        (("x", "*"), "anything", True),
        (("*",), "a" * 513, False),
    ],
)
def test_which_models_a_key_may_use(patterns: tuple[str, ...], name: str, may: bool) -> None:
    assert Principal("key-1", "alice", models=patterns).may_use(name) is may


def test_matching_takes_no_time_to_speak_of() -> None:
    principal = Principal("key-1", "alice", models=("*a" * 120,))
    began = time.perf_counter()
    assert not principal.may_use("a" * 100 + "b" * 400)
    assert time.perf_counter() - began < 1.0


class Certificate(NamedTuple):
    uri: str
    hive_id: str | None


def test_a_certificate_speaks_for_its_hive_alone() -> None:
    policy = make_policy(
        "127.0.0.1",
        7833,
        key="colony-key",
        hosts=[],
        origins=[],
        needs=lambda _method, path: frozenset({"hive"}) if path == "/v1/beat" else frozenset(),
        accepts=lambda peer: peer.hive_id != "revoked",
    )
    hive = Certificate("rbee://hive/h1", "h1")
    principal = admit(policy, "/v1/beat", bearer("colony-key"), peer=hive)
    assert (principal.hive_id, principal.operator) == ("h1", False)
    with pytest.raises(Forbidden):
        admit(policy, "/v1/keys", bearer("colony-key"), peer=hive)
    assert admit(policy, "/v1/beat", {b"host": b"nat.example:99"}, peer=hive).hive_id == "h1"
    with pytest.raises(Forbidden):
        admit(policy, "/v1/beat", HOST | {b"origin": b"http://evil.example"}, peer=hive)
    with pytest.raises(InvalidApiKey):
        admit(policy, "/v1/beat", HOST, peer=Certificate("rbee://hive/revoked", "revoked"))
    assert admit(policy, "/v1/keys", HOST, peer=Certificate("rbee://queen", None)).operator
    with pytest.raises(InvalidApiKey):
        admit(policy, "/v1/keys", HOST, peer=Certificate("rbee://someone", None))


def test_an_open_route_wants_no_key_and_any_may_be_shown() -> None:
    policy = make_policy(
        "127.0.0.1",
        7833,
        key="colony-key",
        hosts=[],
        origins=[],
        keys=[entry()],
        needs=lambda method, path: OPEN if (method, path) == ("POST", "/v1/join") else frozenset(),
    )
    assert admit(policy, "/v1/join", HOST) is ANYBODY
    assert admit(policy, "/v1/join", bearer("wrong")) is ANYBODY
    assert admit(policy, "/v1/join", bearer(ALICE)).name == "alice"
    with pytest.raises(InvalidApiKey):
        admit(policy, "/v1/join", HOST, "GET")
    with pytest.raises(Forbidden):
        admit(policy, "/v1/join", {b"host": b"evil.example"})
