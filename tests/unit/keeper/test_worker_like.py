"""A worker that is started again is asked for as it was the first time."""

from rbee.contracts.jobs import WorkerSpawn
from rbee.contracts.worker_details import WorkerDetails
from rbee.keeper.cli.worker import like


def details(asked: WorkerSpawn | None) -> WorkerDetails:
    return WorkerDetails(
        worker_id="w-1",
        model="org/repo:file.gguf",
        engine="xllamacpp",
        status="ready",
        port=9001,
        device="CPU-0",
        slots_total=4,
        context_length=2048,
        manual=False,
        asked=asked,
    )


def test_all_settings_are_kept_and_what_was_open_stays_open() -> None:
    asked = WorkerSpawn(
        model="alias",
        device=[0, 1],
        slots=4,
        context_length=2048,
        split_mode="row",
        tensor_split=[3.0, 1.0],
        main_gpu=1,
        task="generate",
        command_id="once",
    )
    again = like(details(asked))
    assert (again.model, again.worker) == ("org/repo:file.gguf", "xllamacpp")
    assert (again.command_id, again.manual) == (None, False), "a new command for the same owner"
    assert (again.device, again.slots, again.context_length) == ([0, 1], 4, 2048)
    assert (again.split_mode, again.tensor_split, again.main_gpu) == ("row", [3.0, 1.0], 1)
    assert again.gpu_layers is None
    assert like(details(WorkerSpawn(model="alias", worker="cuda"))).worker == "cuda"


def test_a_hive_of_an_earlier_version_tells_what_can_be_seen() -> None:
    again = like(details(None))
    assert (again.worker, again.device) == ("xllamacpp", "CPU-0")
    assert (again.slots, again.context_length, again.task) == (4, 2048, "generate")
