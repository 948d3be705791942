"""Figures of machines and their devices, worded once for the queen and for a hive.

Both show them under the same names with the hive's id as a label, so that a board
works with either; where both are read, take the maximum over them, not the sum.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from prometheus_client.core import Metric

from rbee.contracts.hives import GpuStats, NodeStats
from rbee.foundation.metrics import MIB, PERCENT, gauge, scaled

Nodes: TypeAlias = Iterable[tuple[str, NodeStats]]
"""Hive ids with what their beats say."""

_Cells: TypeAlias = Iterable[float | None]


def node_families(nodes: Nodes) -> Iterator[Metric]:
    """CPU, memory and disk of each machine, and its GPUs. Unknown is left out."""
    rows = list(nodes)
    hives = [(hive_id,) for hive_id, _ in rows]
    stats = [node for _, node in rows]

    def of_node(name: str, about: str, cells: _Cells) -> Metric:
        return gauge(f"rbee_node_{name}", about, ("hive",), zip(hives, cells, strict=True))

    yield of_node("cpu_ratio", "CPU in use.", (scaled(n.cpu_pct, 1 / PERCENT) for n in stats))
    used = (scaled(n.ram_used_mb, MIB) for n in stats)
    yield of_node("memory_used_bytes", "RAM in use.", used)
    yield of_node("memory_bytes", "All RAM.", (scaled(n.ram_total_mb, MIB) for n in stats))
    free = (scaled(n.disk_free_mb, MIB) for n in stats)
    yield of_node("disk_free_bytes", "Free on the models' disk.", free)
    yield from _device_families([(hive_id, gpu) for hive_id, node in rows for gpu in node.gpus])


def _device_families(rows: list[tuple[str, GpuStats]]) -> Iterator[Metric]:
    keys = [(hive_id, gpu.id) for hive_id, gpu in rows]
    gpus = [gpu for _, gpu in rows]

    def of_device(name: str, about: str, cells: _Cells) -> Metric:
        labels = ("hive", "device")
        return gauge(f"rbee_device_{name}", about, labels, zip(keys, cells, strict=True))

    busy = (scaled(gpu.util_pct, 1 / PERCENT) for gpu in gpus)
    yield of_device("utilization_ratio", "GPU in use.", busy)
    used = (scaled(gpu.vram_used_mb, MIB) for gpu in gpus)
    yield of_device("memory_used_bytes", "GPU memory in use.", used)
    whole = (scaled(gpu.vram_total_mb, MIB) for gpu in gpus)
    yield of_device("memory_bytes", "All GPU memory.", whole)
    yield of_device("temperature_celsius", "GPU temperature.", (gpu.temp_c for gpu in gpus))
    yield of_device("power_watts", "Power drawn by the GPU.", (gpu.power_w for gpu in gpus))
