"""Sizes, names and docstrings: what makes the folder listing readable."""

import ast
import re

from house.source import EVERYTHING, SOURCE, SRC, Module

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
DOCSTRING_WORDS_MIN = 5

# path → why this one may be longer. Empty is the wish.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}

# Words that say nothing of what is inside.
EMPTY_WORDS = frozenset(
    {"util", "utils", "helper", "helpers", "manager", "service", "services", "base", "misc"}
    | {"common", "core", "stuff", "tools"}
)


def functions(module: Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(module.tree) if isinstance(node, kinds)]


def test_a_module_says_what_it_is_for() -> None:
    said = {repr(module): ast.get_docstring(module.tree) or "" for module in EVERYTHING}
    assert not {
        name: text for name, text in said.items() if len(text.split()) < DOCSTRING_WORDS_MIN
    }


def test_files_are_short() -> None:
    long = {repr(module): len(module.lines) for module in EVERYTHING}
    long = {name: lines for name, lines in long.items() if lines > FILE_LINES_MAX}
    assert set(long) == set(LONG_FILES), long


def test_functions_are_short() -> None:
    long = {
        f"{module!r}:{node.name}": lines
        for module in EVERYTHING
        for node in functions(module)
        if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert set(long) == set(LONG_FUNCTIONS), long


def test_names_say_something() -> None:
    for path in SRC.rglob("*"):
        words = set(re.split(r"[_.]", path.stem.lower()))
        assert not words & EMPTY_WORDS, path


def test_every_folder_of_code_is_a_package() -> None:
    bare = {m.path.parent for m in SOURCE if not (m.path.parent / "__init__.py").exists()}
    assert not bare
