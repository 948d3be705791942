"""``rbee completion``: have the shell complete commands, flags and the colony's names."""

import os
from pathlib import Path
from typing import Annotated, get_args

from cyclopts import App, Parameter

from rbee.errors import InvalidRequest, StorageError
from rbee.keeper.cli.frame import examples
from rbee.keeper.completion.scripts import SCRIPTS, Shell, after_install, place_of
from rbee.keeper.screen import note, out

completion_app = App(
    name="completion",
    help_epilogue=examples(
        "rbee completion --install                       for the shell that you use",
        'eval "$(rbee completion bash)"                  in ~/.bashrc',
        'rbee completion zsh > "${fpath[1]}/_rbee"       once',
        "rbee completion fish | source                   for this session",
    ),
)


@completion_app.default
def completion(
    shell: Annotated[
        Shell | None, Parameter(help="For which shell; without: the one of $SHELL.")
    ] = None,
    /,
    *,
    install: Annotated[
        bool, Parameter(help="Write it to where the shell looks for it.", show_default=False)
    ] = False,
) -> None:
    """Print the script with which a shell completes rbee's commands, flags and names."""
    chosen = shell or _usual()
    if not install:
        out(SCRIPTS[chosen], end="")
        return
    path = place_of(chosen)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SCRIPTS[chosen], encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror}.",
            remedy=f"`rbee completion {chosen}` prints the script; put it where you like.",
        ) from None
    note(f"Wrote {path}.\n{after_install(chosen, path)}")


def _usual() -> Shell:
    """The shell of this user.

    Raises:
        InvalidRequest: it is none that we have a script for.
    """
    name = Path(os.environ.get("SHELL", "")).name
    for known in get_args(Shell):
        if name == known:
            return known
    raise InvalidRequest(
        f"There is no completion for {name or 'an unknown shell'}.",
        remedy=f"Name one of: {', '.join(get_args(Shell))}.",
        param="SHELL",
    )
