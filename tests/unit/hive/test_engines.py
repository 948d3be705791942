"""Engines: which one a spawn gets, what is launched, how readings are read."""

import sys
from pathlib import Path

import pytest

from rbee.contracts.hives import DeviceType
from rbee.errors import EngineUnusable, InvalidRequest
from rbee.hive.engines import llamacpp_readings
from rbee.hive.engines.catalog import Engines, make_engines
from rbee.hive.engines.engine import (
    WORKER_DIRECTORY_VARIABLE,
    Launch,
    LaunchSpec,
    Place,
    Reading,
    engine_env,
)
from rbee.hive.engines.xllamacpp import XLlamaCpp
from rbee.worker.settings import parse_arguments

SPEC = LaunchSpec(
    engine="xllamacpp",
    model="org/repo:file.gguf",
    model_path="/models/file.gguf",
    task="embeddings",
    context_tokens=2048,
    slots=2,
    device_ids=("CPU-0",),
    threads=3,
)


class Broken:
    """An engine that dies when it is loaded."""

    name = "broken"
    unary_cancel = False
    automatic = True
    device_types: frozenset[DeviceType] = frozenset({"cuda"})
    features = ()

    def version(self) -> str | None:
        return "1"

    def probe_argv(self) -> list[str] | None:
        return [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGILL)"]

    def launch(self, spec: LaunchSpec, place: Place) -> Launch:
        raise AssertionError((spec, place))

    def read(self, slots: bytes | None, metrics: str | None) -> Reading:
        raise AssertionError((slots, metrics))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(directory=tmp_path, key_file=tmp_path / "key", host="127.0.0.1", port=9001)


def test_the_argv_is_one_that_a_worker_understands(place: Place) -> None:
    launch = XLlamaCpp().launch(SPEC, place)
    assert launch.argv[:3] == [sys.executable, "-m", "rbee.worker"]
    settings = parse_arguments(launch.argv[3:])
    assert settings.alias == SPEC.model
    assert (settings.port, settings.context_tokens, settings.slots) == (9001, 2048, 2)
    assert (settings.task, settings.threads) == ("embeddings", 3)


def test_nothing_secret_is_inherited(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RBEE_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "secret")
    env = engine_env(place)
    assert "secret" not in env.values()
    assert env[WORKER_DIRECTORY_VARIABLE] == str(place.directory)
    assert "PATH" in env


def test_selection_by_kind_and_by_name() -> None:
    engines = make_engines(scripted=True, script=None)
    assert engines.select("auto", "any").name == "xllamacpp"
    assert engines.select("CPU", "any").name == "xllamacpp"
    assert engines.select("xllamacpp", "any").name == "xllamacpp"
    assert engines.select("auto", "scripted-slow").name == "scripted"
    assert engines.select("scripted", "any").name == "scripted"
    with pytest.raises(InvalidRequest, match="warp") as unknown:
        engines.select("warp", "any")
    assert "xllamacpp" in unknown.value.remedy
    with pytest.raises(EngineUnusable, match="cuda") as missing:
        engines.select("cuda", "any")
    assert "xllamacpp (cpu)" in missing.value.remedy


def test_without_the_setting_there_is_no_scripted_engine() -> None:
    engines = make_engines(scripted=False, script=None)
    with pytest.raises(InvalidRequest, match="scripted"):
        engines.select("scripted", "scripted")


@pytest.mark.anyio
async def test_an_engine_that_dies_is_unusable_with_a_reason(tmp_path: Path) -> None:
    engines = Engines([Broken()])
    await engines.probe(tmp_path / "engines.json")
    (info,) = engines.infos()
    assert not info.usable
    if sys.platform != "win32":
        assert "SIGILL" in (info.reason or "")
    for word in ("auto", "cuda", "broken"):
        with pytest.raises(EngineUnusable, match="broken cannot be used here"):
            engines.select(word, "any")


def test_readings_of_the_servers_own_bodies() -> None:
    slots = b'[{"id":0,"is_processing":true,"prompt":"secret"},{"id":1,"is_processing":false}]'
    metrics = (
        "# HELP llamacpp:tokens_predicted_total Number of tokens.\n"
        "llamacpp:tokens_predicted_total 42\n"
        "llamacpp:requests_deferred 3\n"
        "llamacpp:odd nonsense\n"
    )
    assert llamacpp_readings.read(slots, metrics) == Reading(
        slots_total=2, slots_busy=1, queued=3, tokens_total=42.0
    )
    assert llamacpp_readings.read(None, None) == Reading()
    assert llamacpp_readings.read(b"{}", "") == Reading()
