"""What an ``infer`` job has said so far, read back from its own events. Pure.

After a restart of the queen the job's log is all that is left of the answer: its
token events are the text, and the events before them say how it was asked. Only
what can be told from them is gone on with.
"""

from collections.abc import Sequence
from typing import cast

import msgspec

from rbee.contracts.jobs import DONE, JobEvent
from rbee.contracts.status import InferSelected
from rbee.errors import QueenRestarted
from rbee.foundation.journal import KeptEvent
from rbee.queen.inference.continuation import Transcript, unsafe


class Story(msgspec.Struct, kw_only=True):
    """``path`` is the worker's; ``whole`` is false when the log lost its beginning."""

    path: str | None = None
    selected: InferSelected | None = None
    text: str = ""
    pieces: int = 0
    reasoned: bool = False
    complete: bool = False
    whole: bool = True

    def transcript(self, path: str, body: bytes) -> Transcript | None:
        """What another worker has to go on after; None when nothing was said yet.

        Raises:
            QueenRestarted: something was said, and it is not safe to go on after it.
        """
        if not self.whole:
            raise QueenRestarted("The beginning of the answer is no longer in its log.")
        if self.reasoned:
            raise QueenRestarted(
                "The model was thinking aloud, and no other one can go on with it."
            )
        if not self.text:
            return None
        said = Transcript.said(self.text, deltas=self.pieces)
        if (reason := unsafe(path, body, said)) is not None:
            raise QueenRestarted(f"The answer cannot go on: {reason}.")
        return said


def read_story(events: Sequence[KeptEvent]) -> Story:
    """Read a job's log.

    Raises:
        QueenRestarted: it holds something else than events of a job.
    """
    story = Story(whole=not events or events[0].seq == 1)
    text: list[str] = []
    for kept in events:
        if kept.data == DONE.encode():
            continue
        try:
            event = msgspec.json.decode(kept.data, type=JobEvent)
            _take(event, story, text)
        except msgspec.MsgspecError as error:
            raise QueenRestarted(f"The job's log cannot be read: {error}.") from None
    story.text = "".join(text)
    return story


def _take(event: JobEvent, story: Story, text: list[str]) -> None:
    told: object = event.data
    data = cast("dict[str, object]", told) if isinstance(told, dict) else dict[str, object]()
    match event.action:
        case "infer_start":
            path = data.get("path")
            story.path = path if isinstance(path, str) else story.path
        case "infer_worker_sel":
            story.selected = msgspec.convert(event.data, InferSelected)
        case "token":
            story.pieces += 1
            if "reasoning" in data:
                story.reasoned = True
            else:
                text.append(event.message)
        case "infer_complete":
            story.complete = True
        case _:
            pass  # what happened on the way changes nothing of what was said
