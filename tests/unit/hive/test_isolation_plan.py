"""What is chosen to guard a worker, from what a probe found; limits; what a report proves."""

from pathlib import Path

import msgspec
import pytest

from rbee.fit import Estimate, Verdict
from rbee.hive.engines.engine import LaunchSpec
from rbee.hive.isolation import cgroups, units
from rbee.hive.isolation.memory_limit import ROOM_BYTES, limited
from rbee.hive.isolation.plan import (
    CPU_WEIGHT,
    GUARDS,
    TASKS_MAX,
    CgroupFound,
    Found,
    Measures,
    UnitFound,
    decide,
)
from rbee.hive.settings import HiveSettings

MIB = 1024 * 1024
CGROUP = CgroupFound(version=1, memory=Path("/m"), tasks=Path("/p"), reason="")
SYSTEM = UnitFound(manager="system", guards=frozenset(GUARDS), reason="")
USER = UnitFound(
    manager="user", guards=frozenset({"memory", "tasks", "no_new_privileges"}), reason=""
)
SPEC = LaunchSpec(
    engine="scripted",
    model="scripted",
    model_path=None,
    task="generate",
    context_tokens=64,
    slots=1,
    device_ids=("CPU-0",),
)


def in_force(measures: Measures) -> set[str]:
    return {each.name for each in measures.protections if each.in_force}


def why_not(measures: Measures, name: str) -> str:
    return next(each.reason or "" for each in measures.protections if each.name == name)


def test_a_unit_that_enforces_all_needs_no_cgroup() -> None:
    measures = decide(Found(unit=SYSTEM, cgroup=CGROUP), "w", 512 * MIB)
    assert (measures.unit, measures.cgroups, measures.no_new_privileges) == ("system", (), False)
    assert in_force(measures) >= set(GUARDS)


def test_what_a_users_manager_cannot_do_is_told() -> None:
    measures = decide(Found(unit=USER), "w", 512 * MIB)
    assert {"memory", "tasks", "no_new_privileges"} <= in_force(measures)
    assert "user manager of systemd does not enforce it" in why_not(measures, "private_shm")


def test_a_cgroup_gives_what_the_unit_does_not() -> None:
    unit = msgspec.structs.replace(SYSTEM, guards=frozenset({"read_only_system"}))
    measures = decide(Found(unit=unit, cgroup=CGROUP), "w", 512 * MIB)
    assert measures.unit == "system"
    assert measures.cgroups == (
        (Path("/m/w"), "memory.limit_in_bytes", str(512 * MIB)),
        (Path("/p/w"), "pids.max", str(TASKS_MAX)),
    )
    assert {"memory", "tasks", "read_only_models"} <= in_force(measures)


def test_without_either_the_rest_is_done_and_the_reasons_are_told() -> None:
    unit, cgroup = UnitFound(reason="no systemd"), CgroupFound(reason="read-only")
    measures = decide(Found(unit=unit, cgroup=cgroup), "w", 512 * MIB)
    assert in_force(measures) == {"no_new_privileges", "own_group", "no_core_dumps", "environment"}
    assert why_not(measures, "memory") == "no systemd unit: no systemd; no cgroup: read-only"


def test_an_unknown_need_is_no_limit_and_says_so() -> None:
    measures = decide(Found(unit=SYSTEM, cgroup=CGROUP), "w", None)
    assert measures.memory_max_bytes is None
    assert "worker_memory_max_mb" in why_not(measures, "memory")


def test_off_is_nothing() -> None:
    measures = decide(Found(unit=SYSTEM, cgroup=CGROUP, off=True), "w", 512 * MIB)
    assert (measures.unit, measures.cgroups, in_force(measures)) == (None, (), set())


@pytest.mark.parametrize(
    ("changed", "unproven"),
    [
        ({}, set[str]()),
        ({"memory": (1 << 63) - 4096}, {"memory"}),
        ({"no_new_privileges": 0}, {"no_new_privileges"}),
        ({"shm_device": 7}, {"private_shm"}),
        ({"read_only_system": 0, "tasks": 5}, {"read_only_system", "tasks"}),
    ],
)
def test_only_what_the_kernel_shows_is_believed(
    changed: dict[str, int], unproven: set[str]
) -> None:
    report = {"memory": 256 * MIB, "tasks": TASKS_MAX, "cpu_share": CPU_WEIGHT}
    report |= {"no_new_privileges": 1, "read_only_system": 1, "shm_device": 9} | changed
    assert units.enforced("system", report, own_shm=7) == set(GUARDS) - unproven


def test_a_limit_is_the_estimate_with_room_or_the_operators_own() -> None:
    estimate = Estimate(
        weights_bytes=80 * MIB,
        kv_bytes=None,
        compute_bytes=None,
        overhead_bytes=0,
        total_bytes=90 * MIB,
        low_bytes=80 * MIB,
        high_bytes=100 * MIB,
    )
    verdict = Verdict(
        fits="yes", device="CPU-0", needed_bytes=None, available_bytes=None, reason="",
        estimate=estimate,
    )  # fmt: skip
    settings = HiveSettings(memory_margin=2.0)
    assert limited(SPEC, verdict, settings).memory_max_bytes == 200 * MIB + ROOM_BYTES
    assert limited(SPEC, None, settings).memory_max_bytes is None
    capped = HiveSettings(worker_memory_max_mb=64)
    assert limited(SPEC, verdict, capped).memory_max_bytes == 64 * MIB
    assert limited(SPEC, verdict, HiveSettings(memory_margin=0)).memory_max_bytes is None


def test_cgroups_are_looked_for_where_the_kernel_says_we_are(tmp_path: Path) -> None:
    assert cgroups.find("try", root=tmp_path, own="4:memory:/a\n8:pids:/\n").version is None
    (tmp_path / "cgroup.controllers").touch()
    reason = cgroups.find("try", root=tmp_path, own="0::/mine\n").reason
    assert "/mine cannot be divided" in reason
