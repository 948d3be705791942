"""Several models and room for one, on real processes: few swaps, everybody answered.

The hive's memory budget holds one scripted worker; who gives way, when, and that
nobody's answer is cut is the queen's affair.
"""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import msgspec
import pytest

from rbee.contracts.plan import Plan
from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

MODELS = ("scripted-a", "scripted-b", "scripted-c")
ONE_WORKER_MB = "400"  # a scripted model counts 256 MiB: a second one has no room
ANSWERED_WITHIN_S = 120.0


@pytest.fixture
def colony(tmp_path: Path) -> Iterator[Colony]:
    with Colony(tmp_path) as made:
        yield made


def start(colony: Colony, *hives: str, placement: str = "") -> DaemonUnderTest:
    """A queen and hives with room for one worker each."""
    queen = colony.queen(start=False)
    settings = Path(queen.env["RBEE_CONFIG_DIR"]) / "config.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(f"[queen.placement]\nevict_grace_s = 0.5\n{placement}")
    queen.start()
    for name in hives:
        colony.hive(name, memory_max_mb=ONE_WORKER_MB, scripted_models=",".join(MODELS), slots="4")
    until_now(lambda: able(queen, MODELS[-1]) == len(hives), within_s=30)
    return queen


def plan(queen: DaemonUnderTest, model: str) -> Plan | None:
    """What the queen would do; None while she knows nobody who has the model."""
    answer = httpx2.get(f"{queen.url}/v1/plan", params={"model": model}, timeout=10)
    return msgspec.json.decode(answer.content, type=Plan) if answer.status_code == 200 else None


def outcome(queen: DaemonUnderTest, model: str) -> str | None:
    found = plan(queen, model)
    return None if found is None else found.outcome


def able(queen: DaemonUnderTest, model: str) -> int:
    found = plan(queen, model)
    return 0 if found is None else sum(option.able for option in found.options)


def ask(queen: DaemonUnderTest, model: str) -> str:
    """A whole streamed answer; its text."""
    body = {
        "model": model,
        "prompt": "Count",
        "stream": True,
        "max_tokens": 8,
    }
    text = ""
    with httpx2.stream(
        "POST", f"{queen.url}/v1/completions", json=body, timeout=ANSWERED_WITHIN_S
    ) as answer:
        assert answer.status_code == 200, answer.read()
        lines = [line[6:] for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]", lines
    for line in lines[:-1]:
        text += json.loads(line)["choices"][0]["text"]
    return text


def loads(queen: DaemonUnderTest) -> int:
    """How many workers she ordered, by her log."""
    return sum("why=" in line for line in queen.said.splitlines())


def test_a_shuffled_burst_over_three_models_with_room_for_one_costs_three_loads(
    colony: Colony,
) -> None:
    queen = start(colony, "hive")
    order = [MODELS[index % len(MODELS)] for index in range(45)]
    random.Random(3).shuffle(order)  # noqa: S311  a repeatable shuffle
    with ThreadPoolExecutor(len(order)) as clients:
        texts = list(clients.map(ask, [queen] * len(order), order))
    assert len(set(texts)) == 1  # the script says the same under every name: nothing was cut
    assert loads(queen) <= len(MODELS) + 1, queen.said
    assert len({process.pid for process in colony.worker_processes()}) <= 2  # one and its shim


def test_a_second_hive_is_used_before_anybody_gives_way(colony: Colony) -> None:
    queen = start(colony, "hive", "other")
    for model in (MODELS[0], MODELS[1], MODELS[0]):
        assert ask(queen, model)
    assert loads(queen) == 2
    assert "stopping" not in queen.said
    until_now(lambda: outcome(queen, MODELS[2]) == "evict", within_s=30)
    assert ask(queen, MODELS[2])
    assert queen.said.count("reason=room") == 1


def test_a_model_that_nobody_uses_is_unloaded_and_a_pinned_one_stays(colony: Colony) -> None:
    placement = f'keep_alive_s = 1.0\n[queen.placement.models."{MODELS[0]}"]\npinned = true\n'
    queen = start(colony, "hive", "other", placement=placement)
    assert ask(queen, MODELS[0])
    assert ask(queen, MODELS[1])
    until_now(lambda: "reason=keep_alive" in queen.said, within_s=30)
    assert outcome(queen, MODELS[0]) == "serving"
    until_now(lambda: outcome(queen, MODELS[1]) == "spawn", within_s=30)
