"""Engines: which one a spawn gets, what is launched, how readings are read."""

import sys
from pathlib import Path

import msgspec
import pytest

from rbee.contracts.hives import DeviceType
from rbee.errors import BadSettings, EngineUnusable, InvalidRequest
from rbee.hive.engine_settings import CommandSettings, UpstreamSettings
from rbee.hive.engines import llamacpp_readings
from rbee.hive.engines.catalog import Engines, make_engines
from rbee.hive.engines.command import Command
from rbee.hive.engines.engine import (
    WORKER_DIRECTORY_VARIABLE,
    Adapter,
    Launch,
    LaunchSpec,
    Place,
    Reading,
    engine_env,
)
from rbee.hive.engines.llama_server import LlamaServer
from rbee.hive.engines.openai_url import OpenAIUrl
from rbee.hive.engines.vllm import Vllm
from rbee.hive.engines.xllamacpp import XLlamaCpp
from rbee.worker.engines import llama_server, vllm
from rbee.worker.engines.upstream import check_address
from rbee.worker.settings import WorkerSettings, parse_arguments

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


class Broken(Adapter):
    """An engine that dies when it is loaded."""

    name = "broken"
    automatic = True
    device_types: frozenset[DeviceType] = frozenset({"cuda"})

    def trials(self) -> list[list[str]]:
        return [[sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGILL)"]]

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


def test_a_url_is_an_engine_and_only_a_clean_one() -> None:
    known = UpstreamSettings(name="Mine", url="https://other.example/v1/")
    engines = make_engines(scripted=False, script=None, upstreams=[known])
    assert engines.select("http://localhost:11434", "any").name == "openai-url"
    assert engines.server_of("http://localhost:11434/v1/") == "http://localhost:11434"
    assert engines.select("mine", "any").name == "openai-url"
    assert engines.server_of("MINE") == "mine"
    assert engines.server_of("cpu") is None
    with pytest.raises(InvalidRequest, match="which server"):
        engines.select("openai-url", "any")
    for url in ("http://u:p@host", "http://", "http://host:0", "http://host/?key=1"):
        with pytest.raises(InvalidRequest):
            engines.select(url, "any")


def test_the_relay_is_told_files_and_never_keys(place: Place, tmp_path: Path) -> None:
    key_file = tmp_path / "their-key"
    known = UpstreamSettings(
        name="mine", url="http://host:1", key_file=str(key_file), model="theirs"
    )
    spec = msgspec.structs.replace(SPEC, engine="openai-url", model_path=None, upstream="mine")
    settings = parse_arguments(OpenAIUrl([known]).launch(spec, place).argv[3:])
    assert (settings.engine, settings.upstream) == ("upstream", "http://host:1")
    assert (settings.upstream_model, settings.upstream_key_file) == ("theirs", key_file)
    by_url = msgspec.structs.replace(spec, upstream="http://host:1")
    settings = parse_arguments(OpenAIUrl([known]).launch(by_url, place).argv[3:])
    assert (settings.upstream_model, settings.upstream_key_file) == (None, key_file)


def test_a_command_is_words_with_the_model_filled_in(place: Place) -> None:
    command = CommandSettings(name="Mine", argv=["serve", "--m={model}", "{port}", "; rm -rf"])
    settings = parse_arguments(Command(command).launch(SPEC, place).argv[3:])
    assert settings.child == ("serve", "--m=/models/file.gguf", "{port}", "; rm -rf")
    for argv in ([], ["serve"]):
        with pytest.raises(ValueError, match="argv"):
            CommandSettings(name="mine", argv=argv)


def test_no_two_engines_have_one_name() -> None:
    for name in ("cpu", "vllm", "auto"):
        with pytest.raises(BadSettings, match=name):
            make_engines(
                scripted=False,
                script=None,
                commands=[CommandSettings(name=name, argv=["x", "{port}"])],
            )


def test_llama_server_learns_its_devices_from_the_program() -> None:
    engine = LlamaServer("/somewhere/llama-server")
    engine.learn(
        [
            "ggml_cuda_init: found 1 CUDA devices:\nversion: 6800 (abc)\nbuilt with cc\n",
            "Available devices:\n  CUDA0: Some GPU (24564 MiB, 24000 MiB free)\n",
        ]
    )
    assert engine.version() == "6800"
    assert engine.device_types == {"cpu", "cuda"}


@pytest.mark.parametrize("form", ['[{"n_decoded":30}]', '{"n_decoded":30}'])
def test_tokens_of_an_answer_under_way_count(form: str) -> None:
    """The server's own counter knows those of ended requests alone."""
    rows = (
        f'{{"is_processing":true,"next_token":{form}}}',
        '{"is_processing":false,"next_token":[{"n_decoded":500}]}',
    )
    reading = llamacpp_readings.read(
        f"[{','.join(rows)}]".encode(), "llamacpp:tokens_predicted_total 42\n"
    )
    assert (reading.slots_busy, reading.tokens_total) == (1, 72.0)


def test_vllm_is_read_by_its_metrics() -> None:
    metrics = (
        "# HELP vllm:num_requests_running x\n"
        'vllm:num_requests_running{engine="0",model_name="m"} 2.0\n'
        'vllm:num_requests_running{engine="1",model_name="m"} 1.0\n'
        'vllm:num_requests_waiting{engine="0"} 5.0\n'
        'vllm:generation_tokens_total{engine="0"} 123.0\n'
        'vllm:request_success_total{finished_reason="stop"} 3.0\n'
        'vllm:request_success_total{finished_reason="length"} 4.0\n'
        "vllm:odd nonsense\n"
    )
    assert Vllm().read(None, metrics) == Reading(
        slots_busy=3, queued=5, tokens_total=123.0, requests_total=7
    )
    assert Vllm().read(None, None) == Reading()


def test_programs_are_told_what_the_library_is_told(tmp_path: Path) -> None:
    settings = WorkerSettings(
        engine="llama-server",
        binary=Path("/bin/llama-server"),
        model=Path("/m.gguf"),
        alias="m",
        host="127.0.0.1",
        port=9001,
        key_file=tmp_path / "key",
        context_tokens=2048,
        slots=2,
        gpu_layers=-1,
        tensor_split=(1.0, 3.0),
        task="embeddings",
    )
    words = " ".join(llama_server.launch_argv(settings, model_declares_pooling=False))
    assert f"--api-key-file {tmp_path / 'key'}" in words
    assert "--n-gpu-layers 999 --tensor-split 1,3" in words
    assert "--embeddings --batch-size 2048 --ubatch-size 2048 --pooling mean" in words
    words = " ".join(vllm.launch_argv(settings))
    assert "--tensor-parallel-size 2 --runner pooling" in words
    ranking = msgspec.structs.replace(settings, task="rerank")
    words = " ".join(llama_server.launch_argv(ranking, model_declares_pooling=True))
    assert "--reranking --batch-size 2048 --ubatch-size 2048" in words


@pytest.mark.parametrize("url", ["http://169.254.169.254", "ftp://host", "http://0.0.0.0:1"])
def test_a_relay_goes_to_no_address_that_hands_out_secrets(url: str) -> None:
    with pytest.raises(InvalidRequest):
        check_address(url)


def test_auto_prefers_an_engine_for_a_gpu_that_is_here() -> None:
    engines = make_engines(scripted=False, script=None, llama_server=sys.executable)
    server = engines.get("llama-server")
    assert server is not None
    server.learn(["version: 4242 (abc)", "Available devices:\n  CUDA0: A GPU (24000 MiB)\n"])
    assert engines.select("auto", "any", {"cuda", "vulkan"}).name == "llama-server"
    assert engines.select("auto", "any", {"rocm"}).name == "xllamacpp"
    assert engines.select("auto", "any").name == "xllamacpp"
    assert engines.select("cpu", "any", {"cuda"}).name == "xllamacpp"
