"""Which model was probably meant."""

import pytest

from rbee.errors import ModelNotFound
from rbee.keeper.close_names import with_close_names


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("stater", "`starter`"), ("LLAMA3-8B", "`llama-3-8b`"), ("my-modle", "`my-model`")],
)
def test_a_typing_error_is_answered_with_the_name(typed: str, meant: str) -> None:
    error = with_close_names(ModelNotFound("No such model."), typed, ["my-model"])
    assert meant in error.message
    assert error.message.startswith("No such model. Did you mean")


def test_nothing_close_changes_nothing() -> None:
    error = ModelNotFound("No such model.")
    assert with_close_names(error, "zzzzzzzzzz", []) is error


def test_the_typed_name_itself_is_no_suggestion() -> None:
    error = with_close_names(ModelNotFound("Not here."), "starter", [])
    assert "`starter`" not in error.message
