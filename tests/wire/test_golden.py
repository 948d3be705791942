"""Every wire type has a golden file, and means the same before and after the wire."""

import msgspec
import pytest

from wire.samples import GOLDEN, SAMPLES, as_text, golden_path, wire_types
from wire.table import SHAPES, Shape


def by_name(value: object) -> str:
    return type(value).__name__


def test_every_wire_type_has_one_sample_and_one_file() -> None:
    assert sorted(map(by_name, SAMPLES)) == sorted(t.__name__ for t in wire_types())
    assert {path.stem for path in GOLDEN.glob("*.json")} == {t.__name__ for t in wire_types()}


@pytest.mark.parametrize("sample", SAMPLES, ids=by_name)
def test_encodes_to_its_golden_file(sample: msgspec.Struct) -> None:
    assert as_text(sample) == golden_path(type(sample)).read_bytes()


@pytest.mark.parametrize("sample", SAMPLES, ids=by_name)
def test_decodes_from_its_golden_file_and_back(sample: msgspec.Struct) -> None:
    seen = msgspec.json.decode(golden_path(type(sample)).read_bytes(), type=type(sample))
    assert seen == sample
    assert msgspec.json.encode(seen) == msgspec.json.encode(sample)


@pytest.mark.parametrize("sample", SAMPLES, ids=by_name)
def test_a_field_from_the_future_is_ignored(sample: msgspec.Struct) -> None:
    sent = msgspec.json.decode(msgspec.json.encode(sample)) | {"from_the_future": [1]}
    assert msgspec.json.decode(msgspec.json.encode(sent), type=type(sample)) == sample


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.type.__name__)
def test_fields_are_the_published_ones_and_ours(shape: Shape) -> None:
    names = {field.encode_name for field in msgspec.structs.fields(shape.type)}
    assert names == set(shape.published.split()) | set(shape.ours.split())


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.type.__name__)
def test_what_we_added_may_be_missing(shape: Shape) -> None:
    ours = set(shape.ours.split()) - {"pid", "code"}  # our own answers always carry these two
    required = {f.encode_name for f in msgspec.structs.fields(shape.type) if f.required}
    assert not ours & required


@pytest.mark.parametrize("sample", SAMPLES, ids=by_name)
def test_unknown_is_null_and_stays_in_the_answer(sample: msgspec.Struct) -> None:
    """Answers are complete: only types that say so leave defaults out."""
    if type(sample).__struct_config__.omit_defaults:
        return
    names = {field.encode_name for field in msgspec.structs.fields(type(sample))}
    assert names <= set(msgspec.json.decode(msgspec.json.encode(sample)))
