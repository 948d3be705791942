"""Files and folders of one's own: catalogued where they lie, parts as one model."""

from pathlib import Path

import pytest

from rbee.errors import CorruptModel, InvalidRequest, ModelNotFound, RbeeError
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.choose import parts_of
from rbee.hive.models.downloads import Downloads
from rbee.hive.models.local import add_all_local, add_local
from rbee.testing.gguf import LLAMA_PAIRS, ONE_TENSOR, TinyTensor, gguf_bytes, write_gguf

SECOND = (TinyTensor("blk.0.w", (64, 16)),)


def write_parts(folder: Path) -> list[Path]:
    """A model in two files: the first has the metadata, as llama.cpp's splitter writes them."""
    split = {"split.count": 2, "split.tensors.count": 2}
    first = write_gguf(
        folder / "big-Q4_K_M-00001-of-00002.gguf", {**LLAMA_PAIRS, **split, "split.no": 0}
    )
    second = write_gguf(folder / "big-Q4_K_M-00002-of-00002.gguf", {**split, "split.no": 1}, SECOND)
    return [first, second]


def test_every_model_of_a_folder_is_taken_in_where_it_lies(tmp_path: Path) -> None:
    folder, catalog = tmp_path / "mine", Catalog(tmp_path / "models")
    for name in ("b.gguf", "A.GGUF"):
        write_gguf(folder / name)
    (folder / "mmproj-b-f16.gguf").write_bytes(b"a projector")
    (folder / "notes.txt").write_text("mine")
    models = add_all_local(catalog, str(folder))
    assert sorted(model.id for model in models) == ["A", "b"]
    assert catalog.file_of("b") == folder / "b.gguf"
    again = add_all_local(catalog, str(folder))
    assert [model.id for model in again] == [model.id for model in models]
    assert catalog.delete("b") == 0
    assert (folder / "b.gguf").exists()


def test_parts_are_one_model(tmp_path: Path) -> None:
    first, second = write_parts(tmp_path / "mine")
    catalog = Catalog(tmp_path / "models")
    (model,) = add_all_local(catalog, str(tmp_path / "mine"))
    assert model.id == "big-Q4_K_M"
    assert model.size_bytes == first.stat().st_size + second.stat().st_size
    assert model.facts is not None
    weights = sum(tensor.data_bytes() for tensor in (*ONE_TENSOR, *SECOND))
    assert model.facts.weights_bytes == weights
    assert catalog.file_of(model.id) == first
    assert add_local(catalog, str(second)).id == model.id, "any part names the whole"
    second.unlink()
    assert "00002-of-00002.gguf is gone" in (catalog.get(model.id).reason or "")


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    _, second = write_parts(tmp_path / "mine")
    second.unlink()
    catalog = Catalog(tmp_path / "models")
    with pytest.raises(CorruptModel, match=r"2 parts, and 1 .* missing: big.*00002-of-00002"):
        add_all_local(catalog, str(tmp_path / "mine"))
    assert catalog.list() == []


@pytest.mark.parametrize(
    ("name", "stem", "count"),
    [
        ("m-00002-of-00003.gguf", "m", 3),
        ("a/m-00001-of-00001.GGUF", "a/m", 1),
        ("m-00004-of-00003.gguf", None, 0),
        ("m-00000-of-00003.gguf", None, 0),
        ("m-00001-of-99999.gguf", None, 0),
        ("m-1-of-3.gguf", None, 0),
        ("m.gguf", None, 0),
    ],
)
def test_names_of_parts(name: str, stem: str | None, count: int) -> None:
    parts = parts_of(name)
    if stem is None:
        assert parts is None
        return
    assert parts is not None
    assert (parts.stem, len(parts.names)) == (stem, count)
    assert name in parts.names


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", gguf_bytes()[:-10], b"GGUF\x03\0\0\0" + b"\xff" * 64],
    ids=["empty", "zip", "cut", "hostile"],
)
def test_one_bad_file_stops_the_folder_and_is_named(tmp_path: Path, content: bytes) -> None:
    write_gguf(tmp_path / "mine" / "good.gguf")
    (tmp_path / "mine" / "rotten.gguf").write_bytes(content)
    catalog = Catalog(tmp_path / "models")
    with pytest.raises(CorruptModel, match=r"rotten\.gguf"):
        add_all_local(catalog, str(tmp_path / "mine"))
    assert catalog.list() == []


@pytest.mark.parametrize(
    ("path", "error"),
    [("nothing.gguf", ModelNotFound), ("empty", InvalidRequest), ("notes.txt", InvalidRequest)],
)
def test_what_is_no_model_is_refused(tmp_path: Path, path: str, error: type[RbeeError]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(error, match=path.partition(".")[0]):
        add_all_local(Catalog(tmp_path / "models"), str(tmp_path / path))


@pytest.mark.anyio
async def test_a_worker_needs_one_model_and_not_a_folder_of_them(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_gguf(tmp_path / "mine" / f"{name}.gguf")
    async with Downloads(Catalog(tmp_path / "models")) as downloads:
        with pytest.raises(InvalidRequest, match="holds 2 models"):
            await downloads.ensure(str(tmp_path / "mine"))
        assert len(await downloads.take_in(str(tmp_path / "mine"))) == 2
