"""Settings as their operators change them: the file's own look, sources, locks, refusals."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from rbee.contracts.settings import RefusedSetting, Setting, SettingsChange, SettingsChanged
from rbee.errors import BadSettings, Conflict, InvalidRequest
from rbee.foundation import config, config_file
from rbee.foundation.settings_book import MASK, Room, SettingsBook, attribute_docs


class Inner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part."""

    keep_s: float = 5.0
    """How long it is kept."""
    names: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    """Numbers by name."""

    def __post_init__(self) -> None:
        """As a room's settings do."""
        if self.keep_s < 0:
            raise ValueError("`keep_s` must not be below 0")


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A room's settings."""

    size: Annotated[int, msgspec.Meta(ge=1)] = 10
    """How large,
    in two lines."""
    path: str | None = None
    """A path."""
    store: str = "sqlite"
    """Where."""
    words: list[str] = msgspec.field(default_factory=list[str])
    """Words."""
    inner: Inner = Inner()
    """A part."""


GROUPS = {"size": "A", "path": "A", "store": "A", "words": "B", "inner": "B"}

FILE = """\
# my colony
[queen]
size = 20   # as large as the office
# words come later

[queen.inner]
keep_s = 7.5

[hive]
slots = 8  # stays
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RBEE_CONFIG_DIR", str(tmp_path))
    path = tmp_path / "config.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def book(flags: dict[str, object] | None = None, **room: Any) -> SettingsBook[Sample]:  # noqa: ANN401  a Room's
    running = config.load("queen", Sample, flags)
    about = Room(name="queen", type=Sample, groups=GROUPS, **room)
    return SettingsBook(about, running)


def change(
    books: SettingsBook[Sample],
    set: dict[str, object] | None = None,
    unset: list[str] | None = None,
    revision: str | None = None,
) -> SettingsChanged:
    asked = SettingsChange(set=set or {}, unset=unset or [], revision=revision)
    books.adopt(books.write(asked))
    return books.told(asked, books.state())


def row(books: SettingsBook[Sample], name: str) -> Setting:
    return next(row for row in books.state().settings if row.name == name)


def test_every_setting_says_what_it_is_and_where_it_comes_from(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RBEE_QUEEN_WORDS", "a, b")
    found = {row.name: row for row in book({"path": "/flag"}).state().settings}
    assert list(found) == ["size", "path", "store", "words", "inner.keep_s", "inner.names"]
    assert {name: row.source for name, row in found.items()} == {
        "size": "file",
        "path": "flag",
        "store": "default",
        "words": "environment",
        "inner.keep_s": "file",
        "inner.names": "default",
    }
    assert (found["size"].value, found["size"].default) == (20, 10)
    assert found["size"].about == "How large, in two lines."
    assert found["size"].schema["minimum"] == 1
    assert found["inner.keep_s"].unit == "s"
    assert found["words"].value == ["a", "b"]
    assert found["words"].variable == "RBEE_QUEEN_WORDS"
    assert "RBEE_QUEEN_WORDS" in (found["words"].locked or "")
    assert "--path" in (found["path"].locked or "")
    assert found["size"].locked is None
    assert file.read_text("utf-8") == FILE


def test_a_change_keeps_the_files_comments_and_order(file: Path) -> None:
    change(book(), set={"size": 30, "inner.keep_s": 8, "words": ["x"]})
    text = file.read_text("utf-8")
    assert "# my colony" in text
    assert "size = 30   # as large as the office" in text
    assert "# words come later" in text
    assert "slots = 8  # stays" in text
    assert config.load("queen", Sample) == Sample(size=30, words=["x"], inner=Inner(keep_s=8))


def test_a_file_is_made_where_there_is_none(file: Path) -> None:
    file.unlink()
    change(book(), set={"inner.names": {"a": 1}, "path": "/x"})
    assert config.load("queen", Sample) == Sample(path="/x", inner=Inner(names={"a": 1}))
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_is_unset_or_null_is_the_default_again() -> None:
    books = book()
    change(books, unset=["size"], set={"inner.keep_s": None})
    assert config.load("queen", Sample) == Sample()
    assert row(books, "size").source == "default"


def test_what_is_live_counts_at_once_and_the_rest_waits() -> None:
    adopted: list[Sample] = []
    books = book(live=("inner",), adopt=adopted.append)
    told = change(books, set={"inner.keep_s": 9, "size": 40})
    assert told.applied == ["inner.keep_s"]
    assert told.restart == told.state.restart == ["size"]
    assert adopted == [Sample(size=20, inner=Inner(keep_s=9))]
    waiting = row(books, "size")
    assert (waiting.value, waiting.next, waiting.waits) == (20, 40, True)
    assert change(books, set={"size": 20}).state.restart == []


def test_a_refusal_changes_nothing_and_names_every_setting(file: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        change(book(), set={"size": 0, "store": 3, "none": 1, "inner.keep_s": 8})
    rows = caught.value.data
    assert isinstance(rows, list)
    reasons = {row.name: row.reason for row in rows if isinstance(row, RefusedSetting)}
    assert set(reasons) == {"size", "store", "none"}
    assert reasons["size"] == "0 is not a whole number of at least 1."
    assert reasons["store"] == "3 is not a text."
    assert caught.value.param == "size"
    assert file.read_text("utf-8") == FILE


@pytest.mark.parametrize(
    ("wish", "at"),
    [({"inner.keep_s": -1}, "inner.keep_s"), ({"store": "nowhere"}, "store")],
)
def test_what_the_room_could_not_start_with_is_refused(
    file: Path, wish: dict[str, object], at: str
) -> None:
    def check(settings: Sample) -> None:
        if settings.store == "nowhere":
            raise BadSettings("`store` names no store.")

    with pytest.raises(InvalidRequest) as caught:
        change(book(check=check), set=wish)
    assert caught.value.param == at
    assert file.read_text("utf-8") == FILE


def test_what_a_flag_or_the_environment_says_is_not_changed_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RBEE_QUEEN_STORE", "memory")
    for name in ("store", "path"):
        with pytest.raises(InvalidRequest, match="does not count"):
            change(book({"path": "/flag"}), set={name: "x"})
    with pytest.raises(InvalidRequest, match="by hand"):
        change(book(locked={"words": "Write it by hand."}), set={"words": []})


def test_two_who_change_at_once_do_not_undo_each_other() -> None:
    books = book()
    seen = books.state().revision
    change(books, set={"size": 30}, revision=seen)
    with pytest.raises(Conflict):
        change(books, set={"size": 31}, revision=seen)
    assert row(books, "size").next == 30


@pytest.mark.parametrize(
    ("store", "shown"),
    [
        ("postgresql://ann:hush@db/rbee", f"postgresql://ann:{MASK}@db/rbee"),
        ("postgresql://ann:hush@hush@db/rbee", f"postgresql://ann:{MASK}@db/rbee"),
        (
            "postgresql://db/rbee?user=ann&password=hush&sslmode=require",
            f"postgresql://db/rbee?user=ann&password={MASK}&sslmode=require",
        ),
        ("postgresql://db/rbee?sslpassword=hush", f"postgresql://db/rbee?sslpassword={MASK}"),
    ],
)
def test_a_password_is_never_shown_nor_written_back(store: str, shown: str) -> None:
    books = book()
    change(books, set={"store": store})
    found = row(books, "store")
    assert found.next == shown
    assert b"hush" not in msgspec.json.encode(books.state())
    with pytest.raises(InvalidRequest, match="hidden"):
        change(books, set={"store": found.next})


def test_a_file_that_is_no_toml_is_told_and_not_overwritten(file: Path) -> None:
    books = book()
    file.write_text("[queen\n", encoding="utf-8")
    state = books.state()
    assert state.problem is not None
    assert "TOML" in state.problem
    with pytest.raises(BadSettings):
        change(books, set={"size": 30})
    assert file.read_text("utf-8") == "[queen\n"


def test_a_file_that_is_a_link_stays_one(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.toml"
    file.rename(target)
    file.symlink_to(target)
    change(book(), set={"size": 30})
    assert file.is_symlink()
    assert "size = 30" in target.read_text("utf-8")


def test_docs_are_those_below_the_fields() -> None:
    assert attribute_docs(Inner) == {"keep_s": "How long it is kept.", "names": "Numbers by name."}
    assert config_file.revision("a") != config_file.revision("b")
