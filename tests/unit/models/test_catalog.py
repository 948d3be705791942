"""The catalogue on a real disk: listing, naming, deleting, damage."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.errors import Conflict, CorruptModel, InvalidRequest, ModelNotFound
from rbee.foundation.files import write_struct
from rbee.hive.models.catalog import Catalog
from rbee.hive.models.local import add_local, looks_like_path
from rbee.hive.models.lookup import aliases_of
from rbee.hive.models.metadata import describe
from rbee.hive.models.names import FOLDER_LENGTH_MAX, is_sha256, safe_file_name, sanitise_id
from rbee.hive.models.partial import METADATA_FILE, Part, open_part
from rbee.testing.gguf import LLAMA_PAIRS, write_gguf

HUB_ID = "org/Repo-GGUF:Repo-Q4_K_M.gguf"


def put(root: Path, model_id: str, aliases: list[str] | None = None, quality: int = 15) -> Path:
    folder = root / sanitise_id(model_id)
    pairs = {**LLAMA_PAIRS, "general.file_type": quality}
    path = write_gguf(folder / safe_file_name(model_id.rpartition(":")[2]), pairs)
    metadata = describe(path, id=model_id, source="test", name=path.stem, aliases=aliases)
    write_struct(folder / METADATA_FILE, metadata)
    return path


def test_an_empty_catalogue_makes_nothing(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "models")
    assert catalog.list() == []
    assert catalog.resolve("starter") is None
    assert not catalog.root.exists()


def test_a_model_is_listed_with_what_its_header_says(tmp_path: Path) -> None:
    path = put(tmp_path, HUB_ID, ["Org/repo-gguf"])
    model = Catalog(tmp_path).list(loaded={HUB_ID})[0]
    assert (model.id, model.name, model.status) == (HUB_ID, "Repo-Q4_K_M", "available")
    assert (model.quantization, model.context_length, model.loaded) == ("Q4_K_M", 2048, True)
    assert (model.size_bytes, model.chat_template) == (path.stat().st_size, True)
    assert Catalog(tmp_path).file_of("ORG/REPO-GGUF") == path


@pytest.mark.parametrize(
    "name", [HUB_ID, HUB_ID.upper(), "repo-q4_k_m", " org/Repo-GGUF ", "friend"]
)
def test_every_name_leads_to_the_model(tmp_path: Path, name: str) -> None:
    put(tmp_path, HUB_ID, ["org/Repo-GGUF", "friend"])
    found = Catalog(tmp_path).resolve(name)
    assert found is not None
    assert found.id == HUB_ID


def test_a_quality_of_a_repository_is_found(tmp_path: Path) -> None:
    put(tmp_path, HUB_ID, ["org/Repo-GGUF"])
    put(tmp_path, "org/Repo-GGUF:Repo-Q8_0.gguf", ["org/Repo-GGUF"], quality=7)
    catalog = Catalog(tmp_path)
    assert catalog.get("org/repo-gguf:q8_0").id == "org/Repo-GGUF:Repo-Q8_0.gguf"
    assert catalog.resolve("org/repo-gguf:Q6_K") is None


def test_an_original_repository_leads_to_its_conversion(tmp_path: Path) -> None:
    model_id = "bartowski/Llama-3.2-1B-Instruct-GGUF:Llama-3.2-1B-Instruct-Q4_K_M.gguf"
    put(tmp_path, model_id)
    for name in ("meta-llama/Llama-3.2-1B", "llama-3.2-1b"):
        assert Catalog(tmp_path).get(name).id == model_id


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="'nobody'"):
        Catalog(tmp_path).get("nobody")
    with pytest.raises(ModelNotFound):
        Catalog(tmp_path).delete("")


def test_a_truncated_file_is_shown_and_not_given(tmp_path: Path) -> None:
    path = put(tmp_path, HUB_ID)
    path.write_bytes(path.read_bytes()[:-5])
    model = Catalog(tmp_path).list()[0]
    assert model.status == "corrupt"
    assert "bytes, not" in (model.reason or "")
    with pytest.raises(CorruptModel, match="bytes, not"):
        Catalog(tmp_path).file_of(HUB_ID)


def test_unreadable_metadata_is_shown_and_deletable(tmp_path: Path) -> None:
    put(tmp_path, "word")
    (tmp_path / "word" / METADATA_FILE).write_bytes(b"{half")
    model = Catalog(tmp_path).list()[0]
    assert (model.id, model.status) == ("word", "corrupt")
    Catalog(tmp_path).delete("word")
    assert Catalog(tmp_path).list() == []


def test_a_folder_put_there_by_hand_is_adopted(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "My folder" / "mine.gguf")
    catalog = Catalog(tmp_path)
    assert catalog.get("Mine").id == "mine"
    assert catalog.file_of("mine") == path
    assert catalog.delete("mine") > 0
    assert not path.exists()


def test_a_download_on_its_way_is_listed(tmp_path: Path) -> None:
    part = Part(id=HUB_ID, name="Repo", file="f.gguf", source="hub", fingerprint="x", size_bytes=99)
    with open_part(tmp_path, part) as folder:
        (folder / "f.gguf").write_bytes(b"half")
    catalog = Catalog(tmp_path)
    stopped, running = catalog.list()[0], catalog.list(active={HUB_ID})[0]
    assert (stopped.status, running.status) == ("downloading", "downloading")
    assert stopped.reason == "stopped after 4 of 99 bytes; download it again to go on"
    assert running.reason is None
    with pytest.raises(CorruptModel, match="not complete"):
        catalog.file_of(HUB_ID)
    with pytest.raises(Conflict, match="being downloaded"):
        catalog.delete(HUB_ID, active={HUB_ID})
    assert catalog.delete(HUB_ID) == 4
    assert catalog.list() == []


def test_one_writer_per_part(tmp_path: Path) -> None:
    part = Part(id="a", name="a", file="f", source="s", fingerprint="x")
    with open_part(tmp_path, part), pytest.raises(Conflict), open_part(tmp_path, part):
        pytest.fail("two writers")
    assert not (tmp_path / "a.part").exists(), "a part without bytes leaves no folder"


def test_bytes_of_another_content_are_thrown_away(tmp_path: Path) -> None:
    part = Part(id="a", name="a", file="f", source="s", fingerprint="x")
    with open_part(tmp_path, part) as folder:
        (folder / "f").write_bytes(b"old")
    part.fingerprint = "y"
    with open_part(tmp_path, part) as folder:
        assert not (folder / "f").exists()


def test_delete_frees_the_disk_and_a_loaded_model_stays(tmp_path: Path) -> None:
    path = put(tmp_path, HUB_ID)
    size = path.stat().st_size
    with pytest.raises(Conflict, match="loaded"):
        Catalog(tmp_path).delete(HUB_ID, loaded={HUB_ID})
    assert path.exists()
    assert Catalog(tmp_path).delete("repo-q4_k_m") == size
    assert [entry.name for entry in tmp_path.iterdir()] == []


def test_a_local_file_is_catalogued_where_it_lies(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "elsewhere" / "My Model.gguf")
    catalog = Catalog(tmp_path / "models")
    model = add_local(catalog, str(path))
    assert (model.id, model.source) == ("My Model", str(path))
    assert catalog.file_of("my model") == path
    assert add_local(catalog, str(path.parent)).id == "My Model", "the folder means its one file"
    twin = add_local(catalog, str(write_gguf(tmp_path / "other" / "My Model.gguf")))
    assert twin.id.startswith("My Model-")
    catalog.delete("My Model")
    assert path.exists()
    assert [row.id for row in catalog.list()] == [twin.id]


def test_what_is_no_model_is_not_catalogued(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "models")
    with pytest.raises(ModelNotFound, match="There is no file"):
        add_local(catalog, str(tmp_path / "none.gguf"))
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(InvalidRequest, match=r"no \.gguf file"):
        add_local(catalog, str(tmp_path / "x.txt"))
    (tmp_path / "x.gguf").write_text("x")
    with pytest.raises(CorruptModel):
        add_local(catalog, str(tmp_path / "x.gguf"))
    assert catalog.list() == []


def test_an_alias_is_added_once(tmp_path: Path) -> None:
    put(tmp_path, HUB_ID)
    catalog = Catalog(tmp_path)
    for name in ("Friend", "friend", HUB_ID):
        catalog.add_alias(HUB_ID, name)
    assert catalog.get("friend").aliases == ["Friend"]


@pytest.mark.parametrize(
    ("name", "path"),
    [("/a/b.gguf", True), ("~/b.gguf", True), ("./b", True), ("C:\\b.gguf", True),
     ("b.gguf", True), ("a/b/c.gguf", True), ("org/repo", False), ("org/repo:f.gguf", False),
     ("llama-3-8b", False)],
)  # fmt: skip
def test_paths_are_told_from_names(name: str, path: bool) -> None:
    assert looks_like_path(name) is path


@pytest.mark.parametrize(
    ("model_id", "folder"),
    [
        ("starter", "starter"),
        ("org/repo:file-Q4.gguf", "org--repo--file-Q4.gguf"),
        ("Qwen2.5", "Qwen2.5"),
    ],
)
def test_usual_ids_make_readable_folders(model_id: str, folder: str) -> None:
    assert sanitise_id(model_id) == folder


@pytest.mark.parametrize(
    "hostile", ["../..", "a/../../b", "CON", "nul.gguf", ".", "", "x.part", "a" * 900, "ü\0"]
)
def test_hostile_ids_stay_inside(hostile: str) -> None:
    name = sanitise_id(hostile)
    assert name not in {"", ".", ".."}
    assert not set(name) & set('/\\:*?"<>|\0')
    assert len(name) <= FOLDER_LENGTH_MAX
    assert not name.lower().endswith(".part")
    assert name.split(".")[0].lower() not in {"con", "nul"}
    assert name[0] not in ".-"


_ids = st.text(st.sampled_from("ab-./:_AÜ \\"), max_size=8)


@given(_ids, _ids)
def test_different_ids_have_different_folders(first: str, second: str) -> None:
    same = first.casefold() == second.casefold()
    assert same or sanitise_id(first).casefold() != sanitise_id(second).casefold()


def test_a_digest_is_a_digest() -> None:
    assert is_sha256("a" * 64)
    for wrong in (None, "", "a" * 63, "A" * 64, "../" + "a" * 61, "a" * 64 + "\n"):
        assert not is_sha256(wrong)


def test_names_of_a_repository_are_complete() -> None:
    names = aliases_of("bartowski/phi-4-GGUF:x.gguf", "bartowski/phi-4-GGUF", "microsoft/phi-4")
    assert names == ["bartowski/phi-4-GGUF", "phi-4", "phi4", "microsoft/phi-4"]
