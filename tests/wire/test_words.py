"""Errors, limits and actions: the same words and numbers in the interface and in the code."""

import importlib
import re
from pathlib import Path

import msgspec
import pytest

import rbee
from wire.limits import LIMITS, Limit
from wire.table import (
    ACTIONS,
    COMMANDS,
    DELIVERED,
    ERRORS,
    OPERATIONS,
    RESPONSE_HEADERS,
    ROUTES,
    ErrorLine,
)

SOURCES = [path.read_text(encoding="utf-8") for path in Path(rbee.__file__).parent.rglob("*.py")]


@pytest.mark.parametrize("line", ERRORS, ids=lambda line: line.code)
def test_an_error_has_its_status_and_code(line: ErrorLine) -> None:
    if line.step > DELIVERED:
        assert line.type is None
        return
    assert line.type is not None
    assert (line.type.status, line.type.code) == (line.status, line.code)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.what)
def test_a_limit_is_what_the_interface_says(limit: Limit) -> None:
    if limit.step > DELIVERED:
        assert not limit.where
        return
    module, _, name = limit.where.partition(":")
    holder, _, field = name.partition(".")
    found = getattr(importlib.import_module(module), holder)
    if field:
        found = {f.name: f.default for f in msgspec.structs.fields(found)}[field]
    assert found == limit.value


def test_every_action_that_is_due_is_emitted_somewhere() -> None:
    due = [word.text for word in ACTIONS if word.step <= DELIVERED]
    missing = [word for word in due if not any(f'"{word}"' in text for text in SOURCES)]
    assert not missing


def test_every_header_that_is_due_is_sent_somewhere() -> None:
    due = [word.text.lower() for word in RESPONSE_HEADERS if word.step <= DELIVERED]
    missing = [word for word in due if not any(word in text.lower() for text in SOURCES)]
    assert not missing


def test_the_page_about_the_wire_names_every_row() -> None:
    page = (Path(__file__).parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")
    wanted = {f"`{row.name}`" for row in OPERATIONS} | {f"`{word.text}`" for word in ACTIONS}
    wanted |= {f"`{line.code}`" for line in ERRORS} | {f"`rbee {c.text}`" for c in COMMANDS}
    wanted |= {f"| {limit.what} |" for limit in LIMITS}
    for route in ROUTES:
        short = re.sub("^(/openai/v1|/openai|/v1)/", "", route.path)
        assert f"`{route.path}`" in page or f"`{short}`" in page, route
    assert not [text for text in wanted if text not in page]
