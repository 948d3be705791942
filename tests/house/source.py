"""The code as the house tests see it: every module's text, tree and comments."""

import ast
import io
import subprocess
import tokenize
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"


class Module:
    """One Python file, parsed once for all tests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")

    def __repr__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def comments(self) -> dict[int, str]:
        """Line number to the comment on it."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return {t.start[0]: t.string for t in tokens if t.type == tokenize.COMMENT}

    def commented(self, first: int, last: int) -> bool:
        """Whether a comment stands on one of the lines, or alone on the line before."""
        before = first - 1
        alone = before in self.comments and self.lines[before - 1].lstrip().startswith("#")
        return alone or any(line in self.comments for line in range(first, last + 1))


def modules(*folders: str) -> list[Module]:
    """All modules below these folders of the checkout, sorted."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [Module(path) for path in found]


SOURCE = modules("src")
EVERYTHING = [*SOURCE, *modules("tests", "benchmarks")]


def tracked_files() -> list[Path]:
    """Every file under version control; empty outside a checkout (an unpacked sdist)."""
    if not (ROOT / ".git").exists():
        return []
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607  git is wherever the developer has it
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = listed.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]
