"""vLLM: ``vllm serve`` from a virtual environment of its own (``rbee engine install vllm``).

It has no slots to look at: how many requests run and wait stands in its metrics,
and its key guards ``/v1`` alone. Not part of ``auto``: it takes a whole GPU for
itself. It was never run here for want of a GPU beside an index; the adapter is
held to a stand-in (docs/engines.md).
"""

import re
from typing import Final

from rbee.contracts.hives import DeviceType
from rbee.hive.engine_settings import Takes
from rbee.hive.engines import installed
from rbee.hive.engines.engine import (
    Adapter,
    Face,
    Launch,
    LaunchSpec,
    Place,
    engine_env,
    worker_argv,
)
from rbee.hive.engines.reading import Reading

NAME: Final = "vllm"
_SAMPLE: Final = re.compile(r"^vllm:(\w+)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


class Vllm(Adapter):
    """vLLM as a program."""

    name = NAME
    takes: Takes = "folder"
    unary_cancel = True
    face = Face(keyed_path="/v1/models", slots_path=None)
    device_types: frozenset[DeviceType] = frozenset({"cuda", "rocm"})

    def missing(self) -> str | None:
        """Whether its environment is there."""
        return installed.missing(NAME)

    def version(self) -> str | None:
        """The installed package's version."""
        known = installed.found(NAME)
        return known.version if known else None

    def trials(self) -> list[list[str]]:
        """Its version: this loads torch and its libraries."""
        return [[str(installed.program_of(NAME, NAME)), "--version"]]

    def launch(self, spec: LaunchSpec, place: Place) -> Launch:
        """A worker process that becomes the program."""
        more = ["--binary", str(installed.program_of(NAME, NAME))]
        return Launch(
            argv=worker_argv(spec, place, model_path=spec.model_path or spec.model, more=more),
            env=engine_env(place, spec.env),
        )

    def read(self, slots: bytes | None, metrics: str | None) -> Reading:
        """Its own metrics, summed over its engines; it tells of no slots."""
        del slots
        sums: dict[str, float] = {}
        for name, value in _SAMPLE.findall(metrics or ""):
            try:
                sums[name] = sums.get(name, 0.0) + float(value)
            except ValueError:
                continue  # a sample that is no number says nothing
        return Reading(
            slots_busy=_whole(sums.get("num_requests_running")),
            queued=_whole(sums.get("num_requests_waiting")),
            tokens_total=sums.get("generation_tokens_total"),
            requests_total=_whole(sums.get("request_success_total")),
        )


def _whole(value: float | None) -> int | None:
    return None if value is None or value != value else int(value)  # noqa: PLR0124  NaN
