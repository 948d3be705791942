"""Which file of a repository is taken: pure."""

import pytest

from rbee.contracts.aliases import ModelSource
from rbee.errors import NoUsableFile
from rbee.hive.models.choose import RepositoryFile, choose_file, quality_of

USUAL = [
    "README.md",
    "mmproj-model-f16.gguf",
    "imatrix_unsloth.gguf",
    "M-BF16.gguf",
    "M-IQ2_M.gguf",
    "M-Q3_K_XL.gguf",
    "M-Q4_K_M.gguf",
    "M-Q5_K_M.gguf",
    "M-Q8_0.gguf",
    "sub/M-Q4_K_M.gguf",
]


def chosen(paths: list[str], *, strict: bool = False, **what: str) -> str | None:
    source = ModelSource(kind="hub", repo="org/repo", **what)
    file = choose_file([RepositoryFile(path) for path in paths], source, strict=strict)
    return file.path if file else None


@pytest.mark.parametrize(
    ("path", "quality"),
    [
        ("a-Q4_K_M.gguf", "Q4_K_M"),
        ("a.Q4_0.gguf", "Q4_0"),
        ("a-q4_k_m.gguf", "Q4_K_M"),
        ("Phi-3-mini-4k-instruct-q4.gguf", "Q4"),
        ("Phi-3-mini-4k-instruct-fp16.gguf", "F16"),
        ("a-Q4_0_4_4.gguf", "Q4_0_4_4"),
        ("a-IQ4_XS.gguf", "IQ4_XS"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("a-UD-Q4_K_XL.gguf", "Q4_K_XL"),
        ("a-BF16.gguf", "BF16"),
        ("qwen2.5.gguf", None),
    ],
)
def test_the_quality_is_read_from_the_name(path: str, quality: str | None) -> None:
    assert quality_of(path) == quality


def test_the_usual_four_bits_win() -> None:
    assert chosen(USUAL) == "M-Q4_K_M.gguf"


def test_order_without_the_usual() -> None:
    assert chosen(["M-F16.gguf", "M-Q2_K.gguf", "M-Q8_0.gguf"]) == "M-Q8_0.gguf"
    assert chosen(["model.gguf", "M-F16.gguf"]) == "M-F16.gguf"
    assert chosen(["model.gguf"]) == "model.gguf"


def test_a_quality_asked_for_is_kept_to() -> None:
    assert chosen(USUAL, quantization="Q8_0", strict=True) == "M-Q8_0.gguf"
    with pytest.raises(NoUsableFile, match="no Q6_K file") as caught:
        chosen(USUAL, quantization="Q6_K", strict=True)
    assert "M-Q4_K_M.gguf" in caught.value.remedy
    assert chosen(USUAL, quantization="Q6_K") == "M-Q4_K_M.gguf", "the table only prefers"


def test_an_exact_file() -> None:
    assert chosen(USUAL, file="m-q8_0.GGUF") == "M-Q8_0.gguf"
    assert chosen(USUAL, file="sub/M-Q4_K_M.gguf") == "sub/M-Q4_K_M.gguf"
    with pytest.raises(NoUsableFile, match=r"no file x\.gguf"):
        chosen(USUAL, file="x.gguf")


def test_a_repository_without_a_model() -> None:
    assert chosen(["README.md", "model.safetensors", "mmproj-f16.gguf"]) is None


def test_split_files_are_refused_clearly() -> None:
    split = ["M-Q4_K_M-00001-of-00002.gguf", "M-Q4_K_M-00002-of-00002.gguf"]
    for ask in ({}, {"file": split[0]}, {"quantization": "Q4_K_M"}):
        with pytest.raises(NoUsableFile, match="split into several files"):
            chosen(split, strict=True, **ask)
    assert chosen([*split, "M-Q2_K.gguf"]) == "M-Q2_K.gguf"
