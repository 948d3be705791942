"""What settings and devices mean for models that are not here yet; how uses are noted."""

import time
from pathlib import Path

import anyio
import pytest

from rbee.contracts.hives import Device
from rbee.contracts.models import ModelFacts
from rbee.errors import BadSettings
from rbee.foundation import config
from rbee.hive.engines.catalog import Engines
from rbee.hive.model_use import note_uses
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.downloads import DownloadLimits
from rbee.hive.offers import download_limits, gpu_memory, memory_of, usual_run
from rbee.hive.settings import HiveSettings
from rbee.hive.workers.roster import Roster
from rbee.keeper.cli.model import _absolute
from rbee.testing.gguf import write_gguf
from rbee.testing.waiting import until

GPU = Device(id="GPU-0", name="A GPU", device_type="cuda", memory_free_mb=8_000)


def test_without_settings_there_is_no_limit_but_two_at_once() -> None:
    assert download_limits(HiveSettings()) == DownloadLimits()
    some = HiveSettings(models_quota_gb=1.5, downloads_max=3, download_rate_max_mb_s=2.5)
    assert download_limits(some) == DownloadLimits(
        parallel_max=3, rate_max_mb_s=2.5, quota_bytes=1_500_000_000
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DOWNLOADS_MAX", "0"),
        ("DOWNLOAD_RATE_MAX_MB_S", "0"),
        ("DOWNLOAD_RATE_MAX_MB_S", "-1"),
        ("MODELS_QUOTA_GB", "0"),
        ("MODELS_QUOTA_GB", "lots"),
    ],
)
def test_limits_that_make_no_sense_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"RBEE_HIVE_{name}", value)
    with pytest.raises(BadSettings, match=f"(?i){name}"):
        config.load("hive", HiveSettings)


def test_a_short_model_is_judged_with_its_own_context() -> None:
    settings = HiveSettings(context_length=8192, slots=2)
    assert (
        usual_run(settings, ModelFacts(architecture="a", context_length=512)).context_tokens == 512
    )
    run = usual_run(settings, ModelFacts(architecture="a"))
    assert (run.context_tokens, run.slots) == (8192, 2)


def test_a_gpu_counts_only_where_an_engine_can_use_it() -> None:
    broken = Device(id="GPU-1", name="B", device_type="cuda", reason="no driver")
    processor = Device(id="CPU-0", name="C", device_type="cpu", memory_free_mb=1)
    (found,) = memory_of([GPU, broken, processor], {"cuda", "cpu"})
    assert (found.id, found.free_bytes) == ("GPU-0", 8_000 * 1024 * 1024)
    assert memory_of([GPU], {"rocm", "cpu"}) == []
    assert gpu_memory([GPU], Engines([])) == []


class _Loads(Roster):
    """A roster whose workers the test names."""

    def __init__(self) -> None:
        super().__init__()
        self.models: set[str] = set()

    def loaded(self) -> set[str]:
        return set(self.models)


@pytest.mark.anyio
async def test_a_use_is_noted_when_a_worker_comes_and_when_it_goes(tmp_path: Path) -> None:
    catalog, roster = Catalog(tmp_path / "models"), _Loads()
    catalog.add_in_place(write_gguf(tmp_path / "m.gguf"), "m")
    began = time.time()

    def used_at() -> float:
        return catalog.get("m").last_used_at or 0.0

    async with anyio.create_task_group() as group:
        group.start_soon(note_uses, roster, catalog)
        assert used_at() == 0
        for models in ({"m", "scripted"}, set[str]()):
            before = used_at()
            roster.models = set(models)
            roster.pulse.beat()
            await until(lambda before=before: used_at() > before)
        group.cancel_scope.cancel()
    assert used_at() >= began


def test_a_relative_path_becomes_one_that_the_hive_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _absolute("./folder") == str(tmp_path / "folder")
    assert _absolute("~/x.gguf") == str(Path.home() / "x.gguf")
    for name in ("starter", "org/repo", "org/repo:f.gguf", "/abs/x.gguf"):
        assert _absolute(name) == name
