"""What a worker is started for, by the model's header and the operator's word."""

import pytest

from rbee.contracts.models import Model, usual_task
from rbee.contracts.workers import Task
from rbee.errors import InvalidRequest
from rbee.foundation.gguf import parse_header
from rbee.hive.models.metadata import Metadata, as_model
from rbee.hive.purpose import task_of
from rbee.testing.gguf import gguf_bytes

_WRITER = Model(id="w", name="w", embedding=False, rerank=False)
_EMBEDDER = Model(id="e", name="e", embedding=True, rerank=False)
_RANKER = Model(id="r", name="r", embedding=False, rerank=True)
_UNKNOWN = Model(id="u", name="u")


@pytest.mark.parametrize(
    ("asked", "model", "task"),
    [
        (None, _WRITER, "generate"),
        (None, _EMBEDDER, "embeddings"),
        (None, _RANKER, "rerank"),
        (None, _UNKNOWN, "generate"),
        ("embeddings", _WRITER, "embeddings"),
        ("generate", _EMBEDDER, "generate"),
        ("rerank", _RANKER, "rerank"),
        ("rerank", _UNKNOWN, "rerank"),
    ],
)
def test_the_operators_word_then_the_header(asked: Task | None, model: Model, task: Task) -> None:
    assert task_of(asked, model) == task


@pytest.mark.parametrize("model", [_WRITER, _EMBEDDER])
def test_a_model_that_is_no_reranker_does_not_rank(model: Model) -> None:
    with pytest.raises(InvalidRequest, match="no reranker"):
        task_of("rerank", model)


@pytest.mark.parametrize(("pooling", "task"), [(1, "embeddings"), (4, "rerank")])
def test_the_header_says_which(pooling: int, task: Task) -> None:
    data = gguf_bytes({"general.architecture": "bert", "bert.pooling_type": pooling})
    header = parse_header(lambda offset, size: data[offset : offset + size], len(data), "x.gguf")
    metadata = Metadata(
        id="m",
        name="m",
        file="x.gguf",
        source="",
        size_bytes=len(data),
        mtime_ns=0,
        added_at=0.0,
        header=header,
    )
    assert usual_task(as_model(metadata, loaded=False, reason=None)) == task
