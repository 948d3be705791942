"""What the control loop asks of the data plane, and whom it tells what happened.

``app`` puts the answers in; without them nothing is running, nothing was measured and
nobody is told. Each may be replaced at any time.
"""

from collections.abc import Callable


class Hooks:
    """Two questions and three pieces of news. All are called in the loop: be quick."""

    def __init__(self) -> None:
        """Nobody is told, and nothing is known."""
        self.running: Callable[[str], int] = lambda _worker_id: 0
        """How many requests the queen has with a worker now (admission's own count)."""
        self.service_s: Callable[[str], float | None] = lambda _model: None
        """How long a request of a model keeps its slot, as measured."""
        self.on_placed: Callable[[str, list[str]], None] = lambda _model, _lines: None
        """A placement of a model, in lines for people."""
        self.on_spawn: Callable[[str, bool, float], None] = lambda _model, _ok, _seconds: None
        """A spawn's end: its model, whether it succeeded, and how long it took."""
        self.on_evict: Callable[[str, str], None] = lambda _model, _reason: None
        """A worker was stopped: its model, and ``room``, ``keep_alive`` or ``shrink``."""
