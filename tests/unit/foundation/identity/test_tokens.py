"""Join tokens: made, read, and refused when anything is off."""

import random

import pytest

from rbee.errors import InvalidRequest
from rbee.foundation.identity.tokens import TOKEN_CHARS_MAX, make_token, parse_token, proves

CA = "5f" * 32
FUZZ_ROUNDS = 3_000  # benchmarks/tokens.py does a million


def test_a_token_survives_being_pasted() -> None:
    token = make_token(CA)
    assert parse_token(f"  {token.text()}\n") == token
    assert len(token.text()) <= TOKEN_CHARS_MAX
    assert token.secret not in repr(token)
    assert proves(parse_token(token.text()), token.digest())
    assert not proves(make_token(CA), token.digest())


def test_what_is_off_is_refused_and_not_repeated() -> None:
    text = make_token(CA).text()
    for wrong in (
        "",
        "rbee1",
        text[:-1],
        text + "a",
        text.upper(),
        text.replace("rbee1", "rbee2"),
        text.replace(".", ":"),
        text[:-1] + "é",
        text.replace(CA, "٣" * 64),
        f"{text[:40]}\n{text[40:]}",
        text * 1000,
    ):
        with pytest.raises(InvalidRequest) as caught:
            parse_token(wrong)
        assert len(wrong) < 6 or wrong not in caught.value.message


def test_bent_tokens_are_refused_or_differ() -> None:
    rng = random.Random(5)  # noqa: S311  it bends, it guards nothing
    whole = make_token(CA)
    text = whole.text()
    for _ in range(FUZZ_ROUNDS):
        bent = list(text)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(bent))
            bent[at : at + rng.randint(0, 2)] = chr(
                rng.choice((rng.randrange(128), 0x663, 0x1F600))
            )
        changed = "".join(bent)
        try:
            found = parse_token(changed)
        except InvalidRequest:
            continue
        assert found != whole or changed.strip() == text
