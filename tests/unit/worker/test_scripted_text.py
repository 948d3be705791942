"""The scripted engine's text: a pure function of what stands before it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.worker.engines.scripted_text import (
    VOCABULARY,
    answer_after,
    number_at_end,
    pieces,
    render_chat,
    tokens_after,
    unit_vector,
)

prompts = st.text(max_size=200).map(lambda text: render_chat([("user", text)]))


@given(prompts, st.integers(1, 40), st.data(), st.integers(-5, 5))
def test_continuing_after_any_token_gives_exactly_the_rest(
    prompt: str, total: int, data: st.DataObject, seed: int
) -> None:
    tokens = list(tokens_after(prompt, total=total, seed=seed))
    cut = data.draw(st.integers(0, total))
    rest = list(tokens_after(prompt + "".join(tokens[:cut]), total=total, seed=seed))
    assert rest == tokens[cut:]


@given(prompts, st.integers(1, 40))
def test_every_generated_token_is_one_piece_and_is_numbered(prompt: str, total: int) -> None:
    tokens = list(tokens_after(prompt, total=total))
    assert pieces("".join(tokens)) == tokens
    assert [number_at_end(token) for token in tokens] == list(range(1, total + 1))


@given(st.text(max_size=100))
def test_pieces_put_together_are_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_a_chat_whose_last_message_is_the_assistants_is_continued() -> None:
    turns = [("system", "be kind"), ("user", "hello")]
    whole = answer_after(render_chat(turns), total=9)
    head = answer_after(render_chat(turns), total=9, limit=4)
    rest = answer_after(render_chat([*turns, ("assistant", head)]), total=9)
    assert head + rest == whole
    assert whole.split()[3].endswith("4")


def test_the_answer_depends_on_the_prompt_and_on_the_seed() -> None:
    first = answer_after("a", total=20)
    assert first != answer_after("b", total=20)
    assert first != answer_after("a", total=20, seed=1)
    assert first == answer_after("a", total=20)


@pytest.mark.parametrize(
    ("prefix", "number"),
    [("", 0), ("amber12", 12), ("über3", 3), ("room12", 0), ("amber", 0), ("amber1 ", 0)],
)
def test_only_a_vocabulary_word_with_a_number_counts(prefix: str, number: int) -> None:
    assert number_at_end(prefix) == number


def test_vocabulary_has_no_doubles_and_no_digits() -> None:
    assert len(set(VOCABULARY)) == len(VOCABULARY)
    assert all(word.isalpha() for word in VOCABULARY)


@given(st.text(max_size=50), st.integers(1, 200))
def test_vectors_have_length_one_and_depend_on_the_text_alone(text: str, dimensions: int) -> None:
    vector = unit_vector(text, dimensions)
    assert len(vector) == dimensions
    assert math.isclose(sum(value * value for value in vector), 1.0)
    assert vector == unit_vector(text, dimensions)
