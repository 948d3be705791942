"""``rbee engine``: what runs models on a hive, whether it works, and how to get more."""

from typing import Annotated

from cyclopts import App, Parameter

from rbee.client.hive import HiveClient
from rbee.contracts.hives import EngineInfo
from rbee.errors import RbeeError
from rbee.foundation import config
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import HiveFlag, JsonFlag
from rbee.keeper.clients import hive_client
from rbee.keeper.engine_install import install as install_engine
from rbee.keeper.engine_install import make_plan
from rbee.keeper.screen import Live, note, out, out_json, out_table
from rbee.keeper.units import UNKNOWN

engine_app = App(
    name="engine", help_epilogue=examples("rbee engine list", "rbee engine install cuda --dry-run")
)


@engine_app.command(name="list", help_epilogue=examples("rbee engine list --json"))
async def list_engines(*, json: JsonFlag = False, hive: HiveFlag = None) -> None:
    """List a hive's engines, and why one cannot be used."""
    async with _client(hive) as client:
        found = (await client.engines()).engines
    _show(found, json=json)


@engine_app.command(help_epilogue=examples("rbee engine probe"))
async def probe(*, json: JsonFlag = False, hive: HiveFlag = None) -> None:
    """Try every engine of a hive anew, each in a process of its own."""
    with Live() as live:
        live.say("trying the engines")
        async with _client(hive) as client:
            found = (await client.probe_engines()).engines
    _show(found, json=json)


@engine_app.command(
    help_epilogue=examples(
        "rbee engine install cuda",
        "rbee engine install vllm --dry-run",
        "rbee engine install cuda --index https://mirror.example/simple",
    )
)
async def install(
    name: Annotated[str, Parameter(help="cuda, rocm, vulkan (llama.cpp for it) or vllm.")],
    /,
    *,
    index: Annotated[
        str | None, Parameter(help="The package index; else [hive] engine_indexes, else pip's.")
    ] = None,
    package: Annotated[
        str | None, Parameter(help="Another package or version than the usual one.")
    ] = None,
    dry_run: Annotated[
        bool, Parameter(help="Show the commands and run none.", show_default=False)
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Install an engine on this machine, into an environment of its own."""
    indexes = config.one("hive", "engine_indexes", dict[str, str], {})
    plan = make_plan(name, index or indexes.get(name), package)
    if dry_run:
        if json:
            out_json({"engine": name, "commands": plan.shown()})
        else:
            out("\n".join(plan.shown()))
        return
    with Live() as live:
        live.say(f"installing {plan.package} into {plan.home}")
        done = await install_engine(plan, live.say)
    if json:
        out_json(done)
    else:
        note(f"{name}: {done.package} {done.version} is in {plan.home}.")
    await _have_it_tried(name)


async def _have_it_tried(name: str) -> None:
    """Let the running hive find it; without one, its next start does."""
    try:
        async with _client(None) as client:
            found = (await client.probe_engines()).engines
    except RbeeError:
        note("No hive runs here; the next one will try it.")
        return
    for engine in found:
        if engine.name in {name, f"xllamacpp-{name}"}:
            note(f"  {engine.name}: {engine.reason or 'it works'}")


def _client(hive: str | None) -> HiveClient:
    return hive_client(hive)


def _show(found: list[EngineInfo], *, json: bool) -> None:
    if json:
        out_json(found)
        return
    rows = [
        (
            engine.name,
            engine.version or UNKNOWN,
            "yes" if engine.usable else "no",
            engine.reason or "",
        )
        for engine in found
    ]
    out_table(("engine", "version", "usable", "reason"), rows, empty="This hive has no engine.")
