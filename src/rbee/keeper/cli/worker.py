"""``rbee worker``: start, look at and stop workers on a hive."""

from typing import Annotated

from cyclopts import App, Parameter

from rbee.contracts.jobs import (
    DeviceChoice,
    SplitMode,
    WorkerProcessDelete,
    WorkerProcessGet,
    WorkerProcessList,
    WorkerRestart,
    WorkerSpawn,
)
from rbee.contracts.worker_details import WorkerDetails
from rbee.contracts.workers import Task, WorkerProcess
from rbee.errors import InvalidRequest, RemoteError
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import FollowFlag, HiveFlag, HiveIdFlag, JsonFlag, QueenFlag
from rbee.keeper.far_logs import show_logs
from rbee.keeper.hive_door import Door, data_of, hive_door, told_when_cancelled
from rbee.keeper.log_files import LINES_SHOWN
from rbee.keeper.screen import Live, note, out_json, out_table
from rbee.keeper.units import UNKNOWN

worker_app = App(
    name="worker", help_epilogue=examples("rbee worker list", "rbee worker spawn starter")
)

WorkerArgument = Annotated[str, Parameter(help="The worker's id or pid (`rbee worker list`).")]
_AUTO = "auto"
_NO_WORKERS = "No workers run. `rbee worker spawn starter` starts one; a request does it too."


@worker_app.command(
    help_epilogue=examples(
        "rbee worker spawn starter",
        "rbee worker spawn llama-3-8b --device 0 --slots 8",
        "rbee worker spawn starter --worker cpu --context-length 2048",
        "rbee worker spawn qwen3:8b --worker http://localhost:11434",
    )
)
async def spawn(
    model: Annotated[str, Parameter(help="A model's id, alias, `org/repo` or a file's path.")],
    /,
    *,
    worker: Annotated[
        str, Parameter(help="auto, a kind of device, an engine's name, or an OpenAI server's URL.")
    ] = _AUTO,
    device: Annotated[
        list[str] | None, Parameter(help="A device (0, GPU-0, cpu); repeat it to split.")
    ] = None,
    context_length: Annotated[int | None, Parameter(help="Tokens, for all slots.")] = None,
    slots: Annotated[int | None, Parameter(help="Requests at once.")] = None,
    task: Annotated[Task | None, Parameter(help="What for; the model says if you do not.")] = None,
    gpu_layers: Annotated[int | None, Parameter(help="Layers on the GPU; -1 is all.")] = None,
    split_mode: Annotated[
        SplitMode | None, Parameter(help="How a model lies on several GPUs.")
    ] = None,
    tensor_split: Annotated[
        list[float] | None, Parameter(help="A part for each GPU; repeat it.")
    ] = None,
    main_gpu: Annotated[
        int | None, Parameter(help="Which of the devices, from 0, holds what is not split.")
    ] = None,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Start a worker; a model that is missing is downloaded first."""
    operation = WorkerSpawn(
        model=model,
        worker=worker,
        device=device_choice(device),
        context_length=context_length,
        slots=slots,
        task=task,
        gpu_layers=gpu_layers,
        split_mode=split_mode,
        tensor_split=tensor_split,
        main_gpu=main_gpu,
    )
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        with (
            told_when_cancelled(
                "Cancelled: the worker was not started. A download goes on from where it was."
            ),
            Live() as live,
        ):
            events = await door.run(operation, live, what=f"downloading {model}")
    found = data_of(events, "worker_spawn_complete", WorkerProcess)
    if json:
        out_json(found[-1] if found else None)
    elif found:
        note(f"worker {found[-1].worker_id} serves {found[-1].model} on {found[-1].device}.")
    else:
        note(events[-1].message if events else "started.")


@worker_app.command(name="list", help_epilogue=examples("rbee worker list --json"))
async def list_workers(
    *,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """List the workers of a hive."""
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        workers = await _workers(door)
    if json:
        out_json(workers)
        return
    out_table(
        ("worker", "model", "status", "device", "engine", "port", "pid"),
        [_row(found) for found in workers],
        empty=_NO_WORKERS,
    )


@worker_app.command(help_epilogue=examples("rbee worker get w-1a2b"))
async def get(
    worker: WorkerArgument,
    /,
    *,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Show one worker."""
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        found = await _get(door, worker)
    if json:
        out_json(found)
        return
    rows = [("worker", found.worker_id), ("model", found.model), ("status", found.status)]
    rows += [("device", found.device), ("engine", found.engine), ("port", str(found.port))]
    rows += [("pid", str(found.pid or UNKNOWN))]
    rows += [("reason", found.reason)] if found.reason else []
    rows += [("fit", found.fit)] if found.fit else []
    for guard in found.isolation or ():
        in_force = "in force" if guard.in_force else "not in force"
        rows += [(guard.name.replace("_", " "), f"{in_force}: {guard.reason or UNKNOWN}")]
    out_table(("field", "value"), rows, empty="")


@worker_app.command(
    help_epilogue=examples(
        "rbee worker stop w-1a2b", "rbee worker stop --all", "rbee worker stop 4711 --force"
    )
)
async def stop(
    worker: WorkerArgument = "",
    /,
    *,
    all: Annotated[
        bool, Parameter(name="--all", help="Stop every worker.", show_default=False)
    ] = False,
    force: Annotated[
        bool, Parameter(help="Do not wait for running requests.", show_default=False)
    ] = False,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Stop a worker: running requests finish first."""
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        if all:
            ids = [found.worker_id for found in await _workers(door) if found.pid is not None]
        elif worker:
            ids = [worker]
        else:
            raise InvalidRequest("No worker was named.", remedy="Name one, or use `--all`.")
        with Live() as live:
            for name in ids:
                await door.run(_delete(name, force=force), live)
    if json:
        out_json({"stopped": ids})
    else:
        note(f"stopped: {', '.join(ids)}" if ids else _NO_WORKERS)


@worker_app.command(help_epilogue=examples("rbee worker restart w-1a2b"))
async def restart(
    worker: WorkerArgument,
    /,
    *,
    force: Annotated[
        bool, Parameter(help="Do not wait for running requests.", show_default=False)
    ] = False,
    json: JsonFlag = False,
    hive: HiveFlag = None,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """End a worker's process and start it again: same worker, same model, same settings."""
    pid = int(worker) if worker.isdigit() else None
    operation = WorkerRestart(pid=pid, worker_id=None if pid else worker, force=force)
    async with hive_door(hive=hive, hive_id=hive_id, queen=queen) as door:
        with Live() as live:
            events = await door.run(operation, live)
    found = data_of(events, "worker_spawn_complete", WorkerProcess)
    if json:
        out_json(found[-1] if found else None)
    elif found:
        note(f"worker {found[-1].worker_id} serves {found[-1].model} again.")


@worker_app.command(help_epilogue=examples("rbee worker logs w-1a2b -f"))
async def logs(
    worker: WorkerArgument,
    /,
    *,
    follow: FollowFlag = False,
    lines: Annotated[int, Parameter(name=["--lines", "-n"], help="How many last lines.")] = (
        LINES_SHOWN
    ),
    queen: QueenFlag = None,
) -> None:
    """Show a worker's log, of a hive here or elsewhere."""
    await show_logs(worker, lines=lines, follow=follow, hive_id=None, queen=queen)


def device_choice(words: list[str] | None) -> DeviceChoice | None:
    """What was typed after ``--device``: an index, a name, or several indices."""
    if not words:
        return None
    parts = [part for word in words for part in word.split(",") if part]
    if len(parts) == 1:
        return int(parts[0]) if parts[0].isdigit() else parts[0]
    return [int(part.upper().removeprefix("GPU-")) for part in parts if _is_index(part)]


def _is_index(part: str) -> bool:
    if part.upper().removeprefix("GPU-").isdigit():
        return True
    raise InvalidRequest(
        f"--device: {part!r} is not the number of a GPU.",
        remedy="Write several devices like `0,1`.",
    )


async def _workers(door: Door) -> list[WorkerProcess]:
    events = await door.run(WorkerProcessList(), Live(quiet=True))
    return data_of(events, "worker_proc_list_entry", WorkerProcess)


async def _get(door: Door, worker: str) -> WorkerDetails:
    pid = int(worker) if worker.isdigit() else None
    operation = WorkerProcessGet(pid=pid, worker_id=None if pid else worker)
    events = await door.run(operation, Live(quiet=True))
    for event in reversed(events):
        if event.data is not None:
            return data_of([event], event.action, WorkerDetails)[0]
    raise RemoteError(f"The hive said nothing about worker {worker}.")


def _delete(worker: str, *, force: bool) -> WorkerProcessDelete:
    if worker.isdigit():
        return WorkerProcessDelete(pid=int(worker), force=force)
    return WorkerProcessDelete(worker_id=worker, force=force)


def _row(worker: WorkerProcess) -> tuple[str, ...]:
    pid = str(worker.pid) if worker.pid else UNKNOWN
    return (
        worker.worker_id,
        worker.model,
        worker.status,
        worker.device,
        worker.engine,
        str(worker.port),
        pid,
    )
