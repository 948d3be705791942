"""``rbee infer``: one question, its answer on stdout.

The prompt goes to the queen as an ``infer`` job; its tokens are printed as they
come. The rules: stdout holds the answer and nothing else; Ctrl+C cancels the job
on the server; what was started for this one answer ends with it, unless
``--keep`` says otherwise.
"""

import re
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from rbee.client.jobs import RECONNECT_FOR_S
from rbee.client.queen import QueenClient
from rbee.contracts.aliases import STARTER
from rbee.contracts.jobs import MAX_TOKENS_DEFAULT, TEMPERATURE_DEFAULT, Infer, JobEvent
from rbee.errors import InvalidRequest, ModelNotFound, RbeeError
from rbee.keeper.answer import Answer, is_reasoning, summary_text
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import HiveIdFlag, JsonFlag, QueenFlag
from rbee.keeper.close_names import names_of_queen, with_close_names
from rbee.keeper.colony import Session, colony
from rbee.keeper.hive_door import show_event, told_when_cancelled
from rbee.keeper.screen import Live, note, out, out_json

infer_app = App(
    name="infer",
    help_epilogue=examples(
        'rbee infer "Say hi"',
        'rbee infer -m llama-3-8b --max-tokens 300 "Why is the sky blue?"',
        "cat letter.txt | rbee infer -m starter -",
        'rbee infer --json "Say hi" | jq -r .text',
    ),
)

PromptArgument = Annotated[
    # Leading hyphens are allowed for `-` and for prompts like "-3 + 5 = ?"; see read_prompt.
    str,
    Parameter(help="What to ask; `-` reads it from stdin.", allow_leading_hyphen=True),
]

_IN_THE_SUMMARY = frozenset({"infer_start", "infer_worker_sel", "infer_complete"})
"""Events whose news stands in the last line anyway."""


@infer_app.default
async def infer(
    *prompt: PromptArgument,
    model: Annotated[str, Parameter(name=["--model", "-m"], help="Which model to ask.")] = STARTER,
    max_tokens: Annotated[
        int, Parameter(help="Longest answer, in tokens.", validator=Number(gte=1))
    ] = MAX_TOKENS_DEFAULT,
    temperature: Annotated[
        float, Parameter(help="0 always takes the likeliest word.", validator=Number(gte=0, lte=10))
    ] = TEMPERATURE_DEFAULT,
    top_p: Annotated[
        float | None,
        Parameter(help="Choose among the likeliest, 0 to 1.", validator=Number(gte=0, lte=1)),
    ] = None,
    top_k: Annotated[
        int | None, Parameter(help="Choose among that many words.", validator=Number(gte=0))
    ] = None,
    raw: Annotated[
        bool, Parameter(help="Send the prompt without the chat template.", show_default=False)
    ] = False,
    no_stream: Annotated[
        bool, Parameter(help="Print the answer when it is whole.", show_default=False)
    ] = False,
    keep: Annotated[
        bool, Parameter(help="Leave running what was started.", show_default=False)
    ] = False,
    json: JsonFlag = False,
    hive_id: HiveIdFlag = None,
    queen: QueenFlag = None,
) -> None:
    """Ask a model once; the answer goes to stdout. Starts what is missing, and stops it again."""
    operation = Infer(
        model=model,
        prompt=read_prompt(prompt),
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        raw=raw,
        stream=not no_stream,
        hive_id=hive_id,
    )
    with Live() as live:
        async with colony(queen, live, keep=keep) as session:
            answer = await _ask(session, operation, live, print_tokens=not (json or no_stream))
            if json:
                out_json(answer)
            elif no_stream:
                out(answer.text)
            note(summary_text(answer))


_LOOKS_LIKE_A_FLAG = re.compile(r"-[A-Za-z]|--[A-Za-z][\w-]*(=.*)?")


def read_prompt(words: Sequence[str]) -> str:
    """What was typed, quoted or not; stdin for ``-`` or, in a pipe, for nothing.

    Raises:
        InvalidRequest: there is nothing in it, it is no text, or a word is a flag that
            does not exist.
    """
    for word in words:
        if _LOOKS_LIKE_A_FLAG.fullmatch(word):
            raise InvalidRequest(
                f"There is no flag `{word}`.",
                remedy="`rbee infer --help` lists them; put the prompt in quotes.",
            )
    piped = list(words) == ["-"] or not (words or sys.stdin.isatty())
    text = sys.stdin.read() if piped else " ".join(words)
    try:
        text.encode()
    except UnicodeEncodeError:  # Python kept bytes that are no UTF-8 as lone surrogates
        raise InvalidRequest(
            f"The prompt {'on stdin ' if piped else ''}is not text in UTF-8.",
            remedy="Is it a binary file? `iconv` turns other encodings into UTF-8.",
        ) from None
    if not text.strip():
        raise InvalidRequest(
            "The prompt is empty.", remedy='Write it in quotes: rbee infer "Say hi".'
        )
    return text


async def _ask(session: Session, operation: Infer, live: Live, *, print_tokens: bool) -> Answer:
    """Run the job; print its tokens as they come."""
    answer = Answer(model=operation.model)
    async with session.client() as client:
        try:
            with told_when_cancelled("\nCancelled."):
                await _read(client, operation, answer, live, print_tokens=print_tokens)
        except ModelNotFound as error:
            known = await names_of_queen(client)
            raise with_close_names(error, operation.model, known) from None
    live.clear()
    if print_tokens and not answer.text.endswith("\n"):
        out("")
    return answer


async def _read(
    client: QueenClient, operation: Infer, answer: Answer, live: Live, *, print_tokens: bool
) -> None:
    asked_at = time.monotonic()

    def tell_cut(error: RbeeError) -> None:
        live.clear()
        note(f"\n{error.message} Trying again for {RECONNECT_FOR_S:.0f} s; the job goes on.")

    async with aclosing(client.jobs.run(operation, on_cut=tell_cut)) as events:
        async for event in events:
            answer.take(event, time.monotonic() - asked_at)
            if event.type == "token" and print_tokens:
                live.clear()
                _print_piece(event)
            elif event.type != "token" and event.action not in _IN_THE_SUMMARY:
                show_event(event, live, what=f"downloading {operation.model}")


def _print_piece(event: JobEvent) -> None:
    """The answer goes to stdout; what the model thinks before it, to stderr."""
    if is_reasoning(event):
        note(event.message, end="")
    else:
        out(event.message, end="")
