"""Stand-ins for what device probes ask: recorded answers replayed by the same names.

A recording is data (tests/fixtures/devices); the code under test is the real
probe. A question that a recording has no answer for fails as the maker's own
library fails: "not supported".
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

from rbee.hive.devices.command import CommandMissing, Runner
from rbee.hive.devices.probe import ProbeFailed

NVML_NOT_SUPPORTED: Final = 3  # NVML_ERROR_NOT_SUPPORTED
_ANSWERS: Final = "answers"


class RecordedError(Exception):
    """What a recorded library raises; ``value`` is NVML's number."""

    def __init__(self, value: int, words: str = "") -> None:
        super().__init__(words or f"recorded error {value}")
        self.value = value


class RecordedNvml:
    """``pynvml`` from a recording: answers by question, for the system and each GPU.

    ``{"error": 15, "words": "GPU is lost"}`` as an answer is raised. A handle is
    the recorded GPU itself; ``parts`` are its MIG devices.
    """

    NVMLError = RecordedError

    def __init__(self, recording: Mapping[str, Any]) -> None:
        self._recording = recording

    def __getattr__(self, question: str) -> Callable[..., object]:
        if not question.startswith("nvml"):
            raise AttributeError(question)
        return lambda *arguments: self._answer(question, *arguments)

    def _answer(self, question: str, *arguments: Any) -> object:  # noqa: ANN401  handles are recordings
        match question:
            case "nvmlShutdown":
                return None
            case "nvmlDeviceGetCount":
                return len(self._recording["gpus"])
            case "nvmlDeviceGetHandleByIndex":
                return self._given(self._recording["gpus"][arguments[0]])
            case "nvmlDeviceGetMaxMigDeviceCount":
                return len(arguments[0].get("parts", ()))
            case "nvmlDeviceGetMigDeviceHandleByIndex":
                return self._given(arguments[0]["parts"][arguments[1]])
            case _:
                owner = arguments[0] if arguments else self._recording
                unknown = {"error": NVML_NOT_SUPPORTED, "words": "Not Supported"}
                given = self._given(owner.get(_ANSWERS, {}).get(question, unknown))
                return _as_fields(given)

    @staticmethod
    def _given(answer: object) -> object:
        if not isinstance(answer, Mapping):
            return answer
        told = cast("Mapping[str, Any]", answer)
        if "error" in told:
            raise RecordedError(told["error"], str(told.get("words", "")))
        return told


class RecordedAmdSmi:
    """``amdsmi`` from a recording; temperatures are answered by sensor."""

    AmdSmiException = RecordedError
    AmdSmiTemperatureType = SimpleNamespace(EDGE="EDGE", HOTSPOT="HOTSPOT")
    AmdSmiTemperatureMetric = SimpleNamespace(CURRENT="CURRENT")

    def __init__(self, recording: Mapping[str, Any]) -> None:
        self._recording = recording

    def __getattr__(self, question: str) -> Callable[..., object]:
        if not question.startswith("amdsmi"):
            raise AttributeError(question)
        return lambda *arguments: self._answer(question, *arguments)

    def _answer(self, question: str, *arguments: Any) -> object:  # noqa: ANN401  handles are recordings
        if question in {"amdsmi_init", "amdsmi_shut_down"}:
            if "error" in self._recording and question == "amdsmi_init":
                raise RecordedError(0, self._recording["error"])
            return None
        if question == "amdsmi_get_processor_handles":
            return self._recording["gpus"]
        answers: dict[str, Any] = arguments[0].get(_ANSWERS, {})
        answer: Any = answers.get(question)
        if answer is not None and len(arguments) > 1:
            answer = answer.get(arguments[1])
        if answer is None:
            raise RecordedError(0, "AMDSMI_STATUS_NOT_SUPPORTED - Feature not supported")
        return answer


def recorded_commands(answers: Mapping[str, str]) -> Runner:
    """A runner of recorded commands.

    A key is the beginning of a command line without its directory; of several
    that fit, the longest answers. A text ``!words`` is a failure with these words; a command that was not
    recorded is not installed.
    """

    def run(argv: Sequence[str]) -> str:
        line = " ".join([Path(argv[0]).name, *argv[1:]])
        fitting = [key for key in answers if line.startswith(key)]
        if not fitting:
            raise CommandMissing(f"{Path(argv[0]).name} is not installed")
        answer = answers[max(fitting, key=len)]
        if answer.startswith("!"):
            raise ProbeFailed(answer.removeprefix("!"))
        return answer

    return run


def grow_sysfs(root: Path, recording: Mapping[str, str]) -> Path:
    """Write a recorded tree of small files; ``recording`` maps paths under /sys to texts."""
    for name, text in recording.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    return root


def recording(path: Path) -> Any:  # noqa: ANN401  a recording is whatever the maker's tool said
    """A recorded JSON document."""
    return json.loads(path.read_text(encoding="utf-8"))


def _as_fields(value: object) -> object:
    """NVML answers structs; a recording holds objects of JSON."""
    if isinstance(value, Mapping):
        return SimpleNamespace(**cast("Mapping[str, object]", value))
    if isinstance(value, list):
        return [_as_fields(entry) for entry in cast("list[object]", value)]
    return value
