"""What engines are given is within bounds, whatever the client wrote, and however."""

import json

import pytest

from rbee.contracts.decode import decode_json
from rbee.contracts.openai import RequestPeek
from rbee.errors import InvalidRequest

BASE = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
HUGE = 2**31


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_discard", -1),
        ("max_tokens", 2**32 - 1),
        ("max_completion_tokens", HUGE),
        ("n_predict", -2),
        ("n_keep", -100),
        ("n", 0),
        ("n", 100_000),
        ("n_cmpl", -1),
        ("best_of", 1_000),
        ("n_probs", HUGE - 1),
        ("logprobs", HUGE - 1),
        ("top_logprobs", 1e300),
        ("prompt_logprobs", 50_000),
        ("repeat_last_n", -5),
        ("dry_penalty_last_n", HUGE - 1),
        ("min_keep", -2),
        ("id_slot", -7),
        ("grammar", "root ::= " + "(" * 16_384),
        ("n_discard", "-1"),
    ],
)
def test_out_of_bounds_is_refused_with_its_path(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as raised:
        decode_json(json.dumps({**BASE, name: value}).encode(), RequestPeek)
    assert raised.value.param == f"$.{name}"


@pytest.mark.parametrize(
    "body",
    [
        rb'{"model":"m","\u006e_discard":-1}',
        b'{"model":"m","n_discard":-1,"n_discard":1}',
        b'{"model":"m","n_discard":-1.0}',
    ],
)
def test_other_spellings_do_not_help(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="n_discard"):
        decode_json(body, RequestPeek)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused(opening: str, closing: str) -> None:
    deep = f'{{"model":"m","x":{opening * 200_000}1{closing * 200_000}}}'
    with pytest.raises(InvalidRequest, match="deeply"):
        decode_json(deep.encode(), RequestPeek)


def test_what_clients_really_send_passes() -> None:
    usual = {
        **BASE,
        "stream": None,
        "max_tokens": 256.0,
        "max_completion_tokens": None,
        "n": 1,
        "n_predict": -1,
        "logprobs": True,
        "top_logprobs": 20,
        "n_probs": 0,
        "repeat_last_n": -1,
        "id_slot": -1,
        "temperature": 0.7,
        "grammar": 'root ::= "a"',
        "unheard_of": {"x": [1]},
    }
    assert decode_json(json.dumps(usual).encode(), RequestPeek).model == "m"
    assert decode_json(json.dumps({**BASE, "logprobs": 5}).encode(), RequestPeek).model == "m"
