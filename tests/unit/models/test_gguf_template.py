"""What a chat template can do, told from its text."""

from pathlib import Path

import pytest

from rbee.foundation.gguf import TEMPLATE_BYTES_MAX, read_header
from rbee.testing.gguf import LLAMA_PAIRS, write_gguf

KEY = "tokenizer.chat_template"


def known(tmp_path: Path, **pairs: str) -> tuple[bool | None, bool | None]:
    kept = {key: value for key, value in LLAMA_PAIRS.items() if key != KEY}
    named = {KEY if key == "template" else f"{KEY}.{key}": text for key, text in pairs.items()}
    header = read_header(write_gguf(tmp_path / "t.gguf", {**kept, **named}))
    return header.tools, header.system_role


@pytest.mark.parametrize(
    ("template", "tools", "system"),
    [
        ("{% if tools %}{{ tools }}{% endif %}{% if m['role'] == 'system' %}", True, True),
        ('{% if message.tool_calls %}{% if m.role == "system" %}', True, True),
        ("{{ raise_exception('System role not supported') }}{{ m['role'] == 'system' }}", False, False),
        ("{{ raise_exception('This model does not support system messages') }}", False, False),
        ("{{ raise_exception('Only user roles, after an optional system message!') }}{{ 'system' }}",
         False, True),
        ("{% for m in messages %}{{ m['role'] + m['content'] }}{% endfor %}", False, None),
        ("{{ toolset }}", False, None),
    ],
)  # fmt: skip
def test_marks(tmp_path: Path, template: str, tools: bool, system: bool | None) -> None:
    assert known(tmp_path, template=template) == (tools, system)


def test_without_a_readable_template_nothing_is_known(tmp_path: Path) -> None:
    assert known(tmp_path) == (None, None)
    assert known(tmp_path, template="'system' tools" + " " * TEMPLATE_BYTES_MAX) == (None, None)


def test_a_template_for_tools_alone_counts(tmp_path: Path) -> None:
    assert known(tmp_path, template="{{ 'system' }}", tool_use="x") == (True, True)
