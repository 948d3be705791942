"""The scripted engine: a worker that answers from a script, for tests and drills.

No model, no computing: it starts in a moment and fails exactly as its script
says. Offered only when the settings say so (``RBEE_HIVE_SCRIPTED_ENGINE=1``);
``worker: "auto"`` chooses it for its own models alone, whose names are
``scripted`` or begin with ``scripted-``.
"""

from pathlib import Path

from rbee.hive.engines.engine import Adapter, Launch, LaunchSpec, Place, engine_env, worker_argv

NAME = "scripted"


def is_scripted_model(model: str) -> bool:
    """Whether a model's name means the scripted engine."""
    return model == NAME or model.startswith(f"{NAME}-")


class Scripted(Adapter):
    """The scripted engine; ``script`` is the JSON file that it follows, if any."""

    name = NAME
    unary_cancel = True

    def __init__(self, script: Path | None = None) -> None:
        self._script = script

    def launch(self, spec: LaunchSpec, place: Place) -> Launch:
        """A worker process with the script. ``--model`` names no file that is read."""
        more = ["--script", str(self._script)] if self._script else []
        return Launch(
            argv=worker_argv(spec, place, model_path=spec.model_path or spec.model, more=more),
            env=engine_env(place, spec.env),
        )
