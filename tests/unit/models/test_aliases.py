"""The table of friendly names: pure look-ups."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.aliases import (
    ALIASES,
    STARTER_NAMES,
    ModelSource,
    known_names,
    looks_like_repository,
    names_for,
    parse_repository,
    resolve_alias,
)


@pytest.mark.parametrize("name", ["llama-3-8b", " LLAMA-3-8B ", "meta-llama/meta-llama-3-8b"])
def test_names_and_originals_lead_to_one_repository(name: str) -> None:
    assert resolve_alias(name) == ModelSource(
        kind="hub", repo="bartowski/Meta-Llama-3-8B-Instruct-GGUF", quantization="Q4_K_M"
    )


def test_the_missions_original_is_known() -> None:
    source = resolve_alias("meta-llama/Llama-3.2-1B")
    assert source is not None
    assert source.repo == "bartowski/Llama-3.2-1B-Instruct-GGUF"


@pytest.mark.parametrize("name", STARTER_NAMES)
def test_the_starter_comes_from_a_package(name: str) -> None:
    assert resolve_alias(name.upper()) == ModelSource(kind="package")


def test_no_name_means_two_things() -> None:
    names = [n.casefold() for row in ALIASES for n in (*row.names, *row.originals)]
    names += [n.casefold() for n in STARTER_NAMES]
    assert len(names) == len(set(names))


def test_every_repository_of_the_table_parses() -> None:
    assert [row.repo for row in ALIASES if not looks_like_repository(row.repo)] == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("org/repo", ModelSource(kind="hub", repo="org/repo")),
        ("org/repo:a-b.Q4_0.gguf", ModelSource(kind="hub", repo="org/repo", file="a-b.Q4_0.gguf")),
        ("org/repo:sub/x.gguf", ModelSource(kind="hub", repo="org/repo", file="sub/x.gguf")),
        ("org/repo:q5_k_m", ModelSource(kind="hub", repo="org/repo", quantization="Q5_K_M")),
        ("org/repo:IQ4_XS", ModelSource(kind="hub", repo="org/repo", quantization="IQ4_XS")),
    ],
)
def test_repositories_are_read(name: str, source: ModelSource) -> None:
    assert parse_repository(name) == source


@pytest.mark.parametrize(
    "name",
    ["", "word", "/abs/path.gguf", "./x.gguf", "../x", "a/b/c", "a/..", "a/b:../x.gguf",
     "a/b:best", "a/b.gguf", "~/x.gguf", "C:\\x.gguf", "a b/c", "a/b:/etc/x.gguf"],
)  # fmt: skip
def test_paths_and_words_are_no_repositories(name: str) -> None:
    assert parse_repository(name) is None


@given(st.text(max_size=300))
def test_any_text_is_answered(name: str) -> None:
    source = parse_repository(name)
    assert source is None or ".." not in (source.file or "")


def test_friendly_names_of_a_repository() -> None:
    assert "phi-4" in names_for("BARTOWSKI/phi-4-gguf")
    assert known_names()[0] == "starter"
