"""Room for a worker: refused when it is sure, tried in doubt, learned from those that ran."""

from pathlib import Path

import msgspec
import pytest

from rbee.errors import NoCapacity
from rbee.fit.verdict import HEADROOM_BYTES
from rbee.hive.devices.cpu import CPU_ID
from rbee.hive.engines.engine import LaunchSpec
from rbee.hive.fitting import Fitting, Neighbour
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.load_times import LoadTimes
from rbee.hive.models.measured import MeasuredRuns
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, write_gguf

MIB = 1024 * 1024
PAIRS = {**LLAMA_PAIRS, "llama.block_count": 32, "llama.context_length": 65_536}
WEIGHTS = TinyTensor("blk.0.attn_q.weight", (1024, 4096))  # 16 MiB


class House:
    """A hive's judge over one real file, with a memory that the test sets."""

    def __init__(self, root: Path) -> None:
        self.path = write_gguf(root / "m.gguf", PAIRS, (WEIGHTS,))
        self.free = 0
        self.measured = MeasuredRuns(root / "measured.json")
        catalog = Catalog(root / "models")
        catalog.add_in_place(self.path, "m")
        self.fitting = Fitting(catalog, self.measured, LoadTimes(root / "loads.json"), self.memory)

    def memory(self) -> tuple[int, int]:
        return 1024 * MIB, self.free

    def spec(self, context: int = 32_768, **changed: object) -> LaunchSpec:
        spec = LaunchSpec(
            engine="xllamacpp",
            model="m",
            model_path=str(self.path),
            task="generate",
            context_tokens=context,
            slots=4,
            device_ids=(CPU_ID,),
        )
        return msgspec.structs.replace(spec, **changed)

    def needs(self, context: int = 32_768) -> int:
        self.free = 1 << 40
        verdict = self.fitting.check(self.spec(context), [])
        assert verdict is not None
        assert verdict.needed_bytes is not None
        return verdict.needed_bytes


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_what_has_no_room_is_refused_with_numbers_and_a_way_out(house: House) -> None:
    house.free = house.needs(8_192) + HEADROOM_BYTES + 64 * MIB
    with pytest.raises(NoCapacity, match=r"context of 32,768 tokens has no room") as refused:
        house.fitting.check(house.spec(), [])
    assert "cache 128 MiB" in refused.value.message
    assert "MiB free" in refused.value.message
    assert refused.value.remedy.startswith("A context of ")
    assert house.fitting.check(house.spec(8_192), []) is not None


def test_doubt_is_tried(house: House) -> None:
    house.free = house.needs() + HEADROOM_BYTES
    verdict = house.fitting.check(house.spec(), [])
    assert verdict is not None
    assert verdict.fits == "unknown"


def test_a_worker_that_still_loads_keeps_its_room(house: House) -> None:
    house.free = int(house.needs() * 1.5) + HEADROOM_BYTES
    loading = Neighbour(
        spec=house.spec(model_path=str(house.path) + ".other"), serving=False, held_bytes=10 * MIB
    )
    with pytest.raises(NoCapacity, match="promised to workers that still load"):
        house.fitting.check(house.spec(), [loading])
    loaded = msgspec.structs.replace(loading, serving=True)
    assert house.fitting.check(house.spec(), [loaded]) is not None


def test_a_second_worker_of_a_model_shares_its_weights(house: House) -> None:
    needed = house.needs()
    house.free = 1 << 40
    first = Neighbour(spec=house.spec(), serving=True, held_bytes=needed)
    second = house.fitting.check(house.spec(), [first])
    assert second is not None
    assert second.needed_bytes == needed - 16 * MIB


def test_what_a_used_worker_held_is_preferred(house: House) -> None:
    needed = house.needs()
    idle = Neighbour(spec=house.spec(), serving=True, held_bytes=needed // 4)
    house.fitting.note([idle], now=1.0)
    assert len(house.measured) == 0
    used = msgspec.structs.replace(idle, used=True, held_bytes=needed // 2)
    house.fitting.note([used, used], now=1.0)
    assert len(house.measured) == 0, "two that share their weights are not counted"
    house.fitting.note([used], now=2.0)
    house.free = int(needed * 0.6) + HEADROOM_BYTES
    verdict = house.fitting.check(house.spec(), [])
    assert verdict is not None
    assert (verdict.fits, verdict.needed_bytes) == ("yes", needed // 2)
    with pytest.raises(NoCapacity):
        house.fitting.check(house.spec(60_000), [])


def test_gpus_and_engines_without_files_are_not_judged(house: House) -> None:
    house.free = 0
    assert house.fitting.check(house.spec(device_ids=("GPU-0",)), []) is None
    assert house.fitting.check(house.spec(model_path=None), []) is None


def test_an_unreadable_file_is_left_to_the_engine(house: House, tmp_path: Path) -> None:
    house.free = 0
    spec = house.spec(model="gone", model_path=str(tmp_path / "gone.gguf"))
    assert house.fitting.check(spec, []) is None
