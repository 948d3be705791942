"""What a wrong value is told: which setting, what it was given, what it may be; never a secret."""

from typing import Annotated, Literal

import msgspec
import pytest

from rbee.foundation.wrong_values import wrong_value


class Key(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=8)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{4}$")] = "0000"


class Inner(msgspec.Struct, frozen=True):
    keep_s: float = 1.0
    weights: dict[str, float] = {}

    def __post_init__(self) -> None:
        if self.keep_s < 0:
            raise ValueError("`keep_s` must not be below 0")


class Sample(msgspec.Struct):
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 1
    size: Annotated[int, msgspec.Meta(ge=1)] = 1
    wait_s: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    pages: Annotated[int, msgspec.Meta(ge=0, le=9)] | None = None
    level: Literal["quiet", "loud"] = "quiet"
    is_on: bool = True
    words: list[str] = []
    store: str = "sqlite"
    keys: list[Key] = []
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("value", "where", "why"),
    [
        ({"port": 70000}, "port", "70000 is not a whole number from 0 to 65535"),
        ({"size": "many"}, "size", "'many' is not a whole number of at least 1"),
        ({"wait_s": 0}, "wait_s", "0 is not a number above 0"),
        ({"pages": 10}, "pages", "10 is not a whole number from 0 to 9"),
        ({"level": "so-so"}, "level", "'so-so' is not one of loud, quiet"),
        ({"is_on": "perhaps"}, "is_on", "'perhaps' is not true or false"),
        ({"words": 5}, "words", "5 is not a list (each of it a text)"),
        ({"words": ["a", True]}, "words[1]", "true is not a text"),
        ({"inner": 5}, "inner", "5 is not a table"),
        ({"inner": {"keep_s": -2}}, "inner.keep_s", "it is -2 and must not be below 0"),
        ({"inner": {"weights": {"a": "b"}}}, "inner.weights[...]", "one of its values is not a number"),
        ({"keys": [{"name": ""}]}, "keys[0].name", "'' is not a text of 1 to 8 characters"),
        ({"keys": [{}]}, "keys[0]", "object missing required field `name`"),
        # What may be a secret is not repeated.
        ({"keys": [{"name": "a", "sha256": "open sesame"}]}, "keys[0].sha256", "it is not a text like ^[0-9a-f]{4}$"),
        ({"store": ["x://me:sesame@here"]}, "store", '["x://me:…@here"] is not a text'),
        ({"port": "9" * 500}, "port", f"'{'9' * 62}… is not a whole number from 0 to 65535"),
    ],
)  # fmt: skip
def test_it_says_where_what_and_what_may_be(value: object, where: str, why: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, type=Sample, strict=False)
    assert wrong_value(caught.value, value, Sample) == (where, why)


def test_a_value_by_itself_has_no_place() -> None:
    kind = Annotated[int, msgspec.Meta(le=3)]
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(4, type=kind)
    assert wrong_value(caught.value, 4, kind) == ("", "4 is not a whole number of at most 3")
