"""Layers, split and room on GPUs: chosen when nobody asks, held to when somebody does.

The GPUs are recordings of two cards; nothing here ran on a real one.
"""

from pathlib import Path

import msgspec
import pytest

from rbee.contracts.hives import Device
from rbee.contracts.jobs import WorkerSpawn
from rbee.errors import NoCapacity
from rbee.hive.devices.choice import Placing, gpu_kinds, place
from rbee.hive.devices.cpu import CPU_ID
from rbee.hive.engines.engine import LaunchSpec
from rbee.hive.fitting import Fitted, Fitting, Neighbour
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.load_times import LoadTimes
from rbee.hive.models.measured import MeasuredRuns
from rbee.testing.gguf import LLAMA_PAIRS, TinyTensor, write_gguf
from unit.hive.device_recordings import smi, sysfs

MIB = 1024 * 1024
LAYERS = 32
PAIRS = {
    **LLAMA_PAIRS,
    "llama.block_count": LAYERS,
    "llama.context_length": 1 << 20,
    "llama.attention.head_count_kv": 8,
    "llama.attention.key_length": 128,
    "llama.attention.value_length": 128,
}  # 128 KiB of cache a token
TENSORS = [TinyTensor(f"blk.{n}.attn_q.weight", (64, 4)) for n in range(LAYERS)]
ONE_CARD, BOTH_CARDS, MORE = 262_144, 393_216, 1_048_576  # contexts: 32, 48 and 128 GiB of cache
CPU = Device(id=CPU_ID, name="a cpu", device_type="cpu")


class House:
    """A hive's judge over one real file and two recorded cards (35,792 and 48,681 MiB free)."""

    def __init__(self, root: Path) -> None:
        self.path = write_gguf(root / "m.gguf", PAIRS, TENSORS)
        self.cards = smi("smi-two").detect()
        self.measured = MeasuredRuns(root / "measured.json")
        self.ram_mb = 500_000
        catalog = Catalog(root / "models")
        catalog.add_in_place(self.path, "m")
        self.fitting = Fitting(
            catalog, self.measured, LoadTimes(root / "loads.json"), lambda: (1 << 40, self.ram)
        )

    @property
    def ram(self) -> int:
        return self.ram_mb * MIB

    def spec(self, placing: Placing, context: int) -> LaunchSpec:
        return LaunchSpec(
            engine="llama-server",
            model="m",
            model_path=str(self.path),
            task="generate",
            context_tokens=context,
            slots=1,
            device_ids=placing.device_ids,
            gpu_layers=placing.gpu_layers,
            split_mode=placing.split_mode,
            tensor_split=placing.tensor_split,
            main_gpu=placing.main_gpu,
            env=placing.env,
        )

    def spawn(self, asked: WorkerSpawn, context: int, others: tuple[Neighbour, ...] = ()) -> Fitted:
        devices = [*self.cards, CPU]
        placing = place(devices, {"cuda", "cpu"}, asked)
        by_id = {device.id: device for device in self.cards}
        left_open = placing.open
        gpus = left_open.gpus if left_open else [by_id[name] for name in placing.device_ids]
        return self.fitting.arrange(self.spec(placing, context), gpus, left_open, others)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def asked(**fields: object) -> WorkerSpawn:
    return msgspec.structs.replace(WorkerSpawn(model="m"), **fields)


def test_everything_on_the_card_that_can_hold_it(house: House) -> None:
    fitted = house.spawn(asked(), ONE_CARD)
    spec = fitted.spec
    assert (spec.device_ids, spec.gpu_layers, spec.split_mode) == (("nvidia-1",), -1, "none")
    assert spec.env["CUDA_VISIBLE_DEVICES"] == house.cards[1].uuid
    assert "33 of 33 layers: 33 on nvidia-1" in (fitted.reason or "")
    assert "may be used" in (fitted.reason or "")
    assert fitted.verdict is None, "no limit on the machine's memory comes of it"


def test_what_no_card_can_hold_alone_is_shared_by_free_memory(house: House) -> None:
    spec = house.spawn(asked(), BOTH_CARDS).spec
    assert (spec.device_ids, spec.gpu_layers) == (("nvidia-0", "nvidia-1"), -1)
    assert spec.split_mode == "layer"
    less, more = spec.tensor_split or (0, 0)
    assert less + more == LAYERS + 1
    assert less / more == pytest.approx(35_792 / 48_681, rel=0.15)


def test_the_rest_stays_with_the_cpu_which_must_have_room_for_it(house: House) -> None:
    fitted = house.spawn(asked(), MORE)
    assert 0 < (fitted.spec.gpu_layers or 0) < LAYERS + 1
    assert "stay with the CPU" in (fitted.reason or "")
    house.ram_mb = 8_000
    with pytest.raises(NoCapacity, match=r"the CPU's part needs [\d,]+ MiB of the"):
        house.spawn(asked(), MORE)


def test_full_cards_leave_it_to_the_cpu(house: House) -> None:
    house.cards = [msgspec.structs.replace(card, memory_free_mb=100.0) for card in house.cards]
    fitted = house.spawn(asked(), 8_192)
    assert (fitted.spec.device_ids, fitted.spec.gpu_layers) == ((CPU_ID,), 0)
    assert fitted.spec.env["CUDA_VISIBLE_DEVICES"] == "-1"
    assert fitted.verdict is not None
    assert (fitted.reason or "").startswith("no GPU has room")
    named = house.spawn(asked(device="nvidia-0"), 8_192).spec
    assert (named.device_ids, named.gpu_layers) == (("nvidia-0",), 0)


def test_named_cards_are_all_used(house: House) -> None:
    spec = house.spawn(asked(device=[0, 1]), 8_192).spec
    assert spec.device_ids == ("nvidia-0", "nvidia-1")
    assert all(spec.tensor_split or ())


@pytest.mark.parametrize(
    "own",
    [{"gpu_layers": 5}, {"gpu_layers": 0}, {"device": [0, 1], "tensor_split": [3.0, 1.0]},
     {"device": [0, 1], "split_mode": "row"}],
)  # fmt: skip
def test_what_was_asked_for_is_kept(house: House, own: dict[str, object]) -> None:
    spec = house.spawn(asked(**own), 8_192).spec
    for name, value in own.items():
        if name != "device":
            kept = getattr(spec, name)
            assert kept == (tuple(value) if isinstance(value, list) else value)


def test_asking_for_more_than_a_card_has_is_refused_with_numbers(house: House) -> None:
    with pytest.raises(NoCapacity, match=r"33 on nvidia-1; [\d,]+ MiB needed on nvidia-1") as no:
        house.spawn(asked(gpu_layers=-1), BOTH_CARDS)
    assert "they are chosen to fit" in no.value.remedy
    on_one = asked(gpu_layers=-1, device=[0, 1], split_mode="none", main_gpu=0)
    with pytest.raises(NoCapacity, match="33 on nvidia-0"):
        house.spawn(on_one, 300_000)


def test_a_worker_that_still_loads_keeps_its_room_on_its_card(house: House) -> None:
    first = house.spawn(asked(), ONE_CARD).spec
    loading = Neighbour(spec=first, serving=False, places_layers=True)
    second = house.spawn(asked(), ONE_CARD - 8_192, (loading,)).spec
    assert second.device_ids == ("nvidia-0",), "the other card, though this one looks free"
    with pytest.raises(NoCapacity, match="nvidia-1"):
        house.spawn(asked(device="nvidia-1", gpu_layers=-1), ONE_CARD, (loading,))
    loaded = msgspec.structs.replace(loading, serving=True)
    assert house.spawn(asked(), ONE_CARD, (loaded,)).spec.device_ids == ("nvidia-1",)


def test_what_a_worker_held_on_its_card_is_preferred(house: House) -> None:
    card = asked(device="nvidia-0")
    partial = house.spawn(card, 300_000).spec
    assert 0 < (partial.gpu_layers or 0) < LAYERS + 1
    whole = msgspec.structs.replace(partial, gpu_layers=-1)
    seen = Neighbour(
        spec=whole, serving=True, used=True, vram_bytes=30_000 * MIB, places_layers=True
    )
    house.fitting.note([seen], now=1.0)
    fitted = house.spawn(card, 300_000)
    assert fitted.spec.gpu_layers == -1
    assert "its memory was measured" in (fitted.reason or "")


def test_unknown_memory_is_left_to_the_engine(house: House) -> None:
    house.cards = [
        msgspec.structs.replace(card, memory_free_mb=None, memory_used_mb=None)
        for card in house.cards
    ]
    fitted = house.spawn(asked(), BOTH_CARDS)
    assert fitted.spec.gpu_layers is None
    assert "is unknown" in (fitted.reason or "")


def test_amd_cards_are_bound_by_their_own_variable(house: House, tmp_path: Path) -> None:
    house.cards = sysfs("sysfs-mi210-two", tmp_path / "sys").detect()
    devices = [*house.cards, CPU]
    placing = place(devices, {"rocm"}, asked())
    assert placing.open is not None
    assert placing.open.cpu is None
    fitted = house.fitting.arrange(
        house.spec(placing, 650_000), placing.open.gpus, placing.open, ()
    )
    assert fitted.spec.device_ids == ("amd-0", "amd-1")
    assert fitted.spec.env["HIP_VISIBLE_DEVICES"] == "0,1"


def test_the_kinds_of_gpu_that_an_engine_is_chosen_for() -> None:
    cards = smi("smi-two").detect()
    assert gpu_kinds([*cards, CPU]) == {"cuda", "vulkan"}
    assert gpu_kinds([*cards, CPU], "cpu") == gpu_kinds([CPU]) == frozenset()
    assert gpu_kinds([*cards, CPU], [0, 1]) == {"cuda", "vulkan"}
