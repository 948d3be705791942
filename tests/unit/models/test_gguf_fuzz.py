"""A short run of ``benchmarks/fuzz_gguf.py``, so that it runs with every change."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FUZZ = Path(__file__).parents[3] / "benchmarks" / "fuzz_gguf.py"
INPUTS = 600  # the real run has a million


@pytest.fixture(scope="module")
def fuzzer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_gguf", FUZZ)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_damaged_headers_are_refused_or_read(fuzzer: ModuleType) -> None:
    tally = fuzzer.fuzz(INPUTS, seed=3)
    assert tally.inputs == INPUTS
    assert tally.read > INPUTS // 20
    assert tally.refused > INPUTS // 4
    assert tally.slowest_s < 1.0


def test_the_fuzzer_notices_a_broken_rule(fuzzer: ModuleType) -> None:
    def broken(*_: object) -> object:
        raise IndexError("beyond the end")

    real, fuzzer.parse_header = fuzzer.parse_header, broken
    try:
        with pytest.raises(fuzzer.Rule, match="IndexError"):
            fuzzer.attempt(b"GGUF", fuzzer.Tally())
    finally:
        fuzzer.parse_header = real
