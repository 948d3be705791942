"""A worker's command line, its key file, and the status of each failure."""

from pathlib import Path

import pytest

from rbee.contracts.exits import WorkerExit, explain_exit
from rbee.errors import (
    CorruptModel,
    EngineError,
    EngineUnusable,
    InvalidRequest,
    OutOfMemory,
    PortTaken,
    RbeeError,
    WorkerFailed,
)
from rbee.worker.app import exit_status
from rbee.worker.engines.load_log import failure_in
from rbee.worker.engines.xllamacpp import launch_flags
from rbee.worker.settings import WorkerSettings, parse_arguments, read_key

ARGV = [
    "--engine",
    "xllamacpp",
    "--model",
    "/m/a.gguf",
    "--alias",
    "org/repo:a.gguf",
    "--host",
    "127.0.0.1",
    "--port",
    "9001",
    "--key-file",
    "/w/1/key",
    "--context",
    "8192",
    "--slots",
    "4",
]


def test_the_whole_command_line_is_read() -> None:
    more = ["--threads", "2", "--task", "embeddings", "--gpu-layers", "0"]
    assert parse_arguments([*ARGV, *more]) == WorkerSettings(
        engine="xllamacpp",
        model=Path("/m/a.gguf"),
        alias="org/repo:a.gguf",
        host="127.0.0.1",
        port=9001,
        key_file=Path("/w/1/key"),
        context_tokens=8192,
        slots=4,
        threads=2,
        task="embeddings",
        gpu_layers=0,
    )
    assert parse_arguments(ARGV).directory == Path("/w/1")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("--port 0", "--port"),
        ("--port 65536", "--port"),
        ("--context 63", "--context"),
        ("--slots 0", "--slots"),
        ("--threads 0", "--threads"),
        ("--gpu-layers -2", "--gpu-layers"),
        ("--main-gpu 128", "--main-gpu"),
        ("--tensor-split 1,-1", "--tensor-split"),
        ("--tensor-split half", "--tensor-split"),
        ("--task sing", "--task"),
        ("--engine other", "--engine"),
        ("--port many", "--port"),
        ("--script s.json", "--script"),
        ("--unknown 1", "--unknown"),
    ],
)
def test_a_wrong_flag_is_named(more: str, named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        parse_arguments([*ARGV, *more.split()])


def test_a_missing_flag_is_named() -> None:
    with pytest.raises(InvalidRequest, match="--key-file"):
        parse_arguments(["--engine", "scripted"])


def test_a_key_is_read_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("0123456789abcdef\n")
    assert read_key(path) == "0123456789abcdef"
    path.write_text("short")
    with pytest.raises(InvalidRequest, match="shorter"):
        read_key(path)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read_key(tmp_path / "missing")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest("x"), WorkerExit.BAD_ARGUMENTS),
        (PortTaken("x"), WorkerExit.PORT_TAKEN),
        (CorruptModel("x"), WorkerExit.BAD_MODEL),
        (EngineUnusable("x"), WorkerExit.ENGINE_UNUSABLE),
        (OutOfMemory("x"), WorkerExit.OUT_OF_MEMORY),
        (EngineError("x"), WorkerExit.LOAD_FAILED),
        (WorkerFailed("x"), WorkerExit.CRASHED),
    ],
)
def test_every_cause_has_its_own_status(error: RbeeError, status: WorkerExit) -> None:
    assert exit_status(error) is status


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "told to stop"),
        (67, "memory"),
        (3, "status 3"),
        (-4, "SIGILL"),
        (-9, "memory ran out"),
        (-250, "signal 250"),
        (None, "unseen"),
    ],
)
def test_an_exit_is_explained(status: int | None, words: str) -> None:
    assert words in explain_exit(status)


def test_every_worker_exit_is_explained_differently() -> None:
    assert len({explain_exit(status) for status in WorkerExit}) == len(WorkerExit)


@pytest.mark.parametrize(
    ("log", "kind", "quoted"),
    [
        ("0.1 I srv init: x\n0.2 E gguf: bad GGUF version: 0\n0.3 E srv: no", CorruptModel, "bad GGUF"),
        ("0.2 E ggml_aligned_malloc: insufficient memory (9 MB)", OutOfMemory, "insufficient"),
        ("0.2 E srv start: couldn't bind HTTP server socket", PortTaken, "9001"),
        ("0.2 E llama: unknown model architecture: 'x'", EngineError, "architecture: 'x'"),
        ("", EngineError, "no reason"),
    ],
)  # fmt: skip
def test_the_engines_words_are_understood(log: str, kind: type[RbeeError], quoted: str) -> None:
    error = failure_in(log, model=Path("/m/a.gguf"), host="127.0.0.1", port=9001)
    assert type(error) is kind
    assert quoted in error.message


def test_launch_flags_leave_nothing_to_a_default_that_guesses() -> None:
    flags = launch_flags(parse_arguments(ARGV), "secret", model_declares_pooling=False)
    assert flags["model_alias"] == {"org/repo:a.gguf"}
    assert flags["api_keys"] == ["secret"]
    assert (flags["n_ctx"], flags["n_parallel"], flags["n_predict"]) == (8192, 4, 8192)
    assert flags["slot_save_path"] == "/w/1/slots/"
    assert flags["offline"] is True
    assert flags["ui"] is True
    assert "embedding" not in flags
    assert "n_gpu_layers" not in flags


@pytest.mark.parametrize("declared", [True, False])
def test_embeddings_are_pooled_as_the_model_says_or_by_the_mean(*, declared: bool) -> None:
    settings = parse_arguments([*ARGV, "--task", "embeddings"])
    flags = launch_flags(settings, "secret", model_declares_pooling=declared)
    assert flags["embedding"] is True
    assert flags["n_ubatch"] == flags["n_batch"] == 2048
    assert ("pooling_type" in flags) is not declared


@pytest.mark.parametrize("declared", [True, False])
def test_a_reranker_is_told_to_rank(*, declared: bool) -> None:
    settings = parse_arguments([*ARGV, "--task", "rerank"])
    flags = launch_flags(settings, "secret", model_declares_pooling=declared)
    assert (flags["embedding"], flags["pooling_type"]) == (True, 4)
