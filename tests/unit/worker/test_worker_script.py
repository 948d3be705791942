"""Scripts: what they may say, how a prompt overrides one, where faults strike."""

from pathlib import Path

import pytest

from rbee.contracts.exits import WorkerExit
from rbee.errors import InvalidRequest
from rbee.worker.engines.script import Fault, Script, read_script, script_for


def test_a_file_is_read_and_unknown_fields_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text('{"tokens": 3, "exit_while_loading": 67}')
    assert read_script(path) == Script(tokens=3, exit_while_loading=WorkerExit.OUT_OF_MEMORY)
    path.write_text('{"tokns": 3}')
    with pytest.raises(InvalidRequest, match="tokns"):
        read_script(path)
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read_script(tmp_path / "missing.json")
    assert read_script(None) == Script()


def test_a_prompt_overrides_only_what_it_names() -> None:
    script = Script(tokens=3, seed=7)
    prompt = 'Tell me. [[script {"tokens": 9, "delay_token_s": 0.5}]] Now.'
    assert script_for(prompt, script) == Script(tokens=9, seed=7, delay_token_s=0.5)
    assert script_for("plain [[brackets]]", script) is script


@pytest.mark.parametrize("inside", ['{"tokns": 1}', '{"tokens": "many"}', "{not json}"])
def test_a_wrong_override_is_the_callers_mistake(inside: str) -> None:
    with pytest.raises(InvalidRequest, match="is wrong"):
        script_for(f"[[script {inside}]]", Script())


def test_a_fault_strikes_at_its_token() -> None:
    script = Script(crash_at_token=5)
    assert script.fault_at(5, first=1) is Fault.CRASH
    assert script.fault_at(4, first=1) is None
    assert script.fault_at(5, first=4) is Fault.CRASH


def test_who_continues_from_the_fault_is_spared_but_not_who_begins_there() -> None:
    assert Script(half_chunk_at_token=5).fault_at(5, first=5) is None
    assert Script(hang_at_token=1).fault_at(1, first=1) is Fault.HANG
