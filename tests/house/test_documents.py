"""The documents say what is there: version, targets, files; and nothing of where it was written."""

import configparser
import re
from importlib.util import find_spec

import pytest

import rbee
from house.source import ROOT, tracked_files

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks/README.md"]
)

# Split, so that this file does not hold what it looks for.
ELSEWHERE = re.compile(
    "|".join(
        [
            r"https?://[\w.-]*py" + r"pi\.",
            r"files\.python" + r"hosted",
            r"registry\.npm" + r"js",
            r"/simple/[\w-]+/",
            r"--(extra-)?index" + r"-url[ =]",
            r"(?<![\w.])/wo" + r"rk/",
            r"/t" + r"mp/plan",
            r"/opt/(py" + r"pi|wheels)",
        ]
    ),
    re.IGNORECASE,
)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_changelog_has_this_version() -> None:
    assert re.search(
        rf"^## \[{re.escape(rbee.__version__)}\]", text_of("CHANGELOG.md"), re.MULTILINE
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(document: object) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    named = re.findall(r"\bmake ([a-z]+)\b(?=[`\n]|\s+#)", text_of(str(document)))
    assert set(named) <= targets | {"console"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_and_links_exist(document: object) -> None:
    text = text_of(str(document))
    paths = re.findall(r"`((?:src|tests|docs|benchmarks|\.ci)/[\w./-]+)`", text)
    paths += re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text)
    folder = (ROOT / str(document)).parent
    missing = [p for p in paths if not (ROOT / p).exists() and not (folder / p).exists()]
    assert not missing


def test_import_contracts_name_real_modules() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    fields = ("layers", "source_modules", "forbidden_modules", "protected_modules")
    fields += ("allowed_importers", "ancestors")
    for section in contracts.sections():
        for field in fields:
            # A name in brackets may come later: import-linter calls it an optional layer.
            words = re.sub(r"\([^)]*\)", "", contracts[section].get(field, ""))
            for name in re.findall(r"[\w.]+", words):
                assert find_spec(name), f"{section}: {name}"


def test_nothing_tells_where_it_was_written() -> None:
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a binary fixture
        found = ELSEWHERE.search(text)
        assert found is None, f"{path}: {found}"
