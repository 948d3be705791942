"""What a model was not made for is refused with the place where to send it."""

from itertools import permutations
from typing import get_args

from rbee.contracts.workers import Task
from rbee.queen.inference.wrong_task import wrong_task


def test_every_mismatch_has_its_words_and_a_way_out() -> None:
    said = {
        (asked, usual): wrong_task("m", asked, usual)
        for asked, usual in permutations(get_args(Task), 2)
    }
    assert len({error.message for error in said.values()}) == len(said) == 6
    assert all(error.param == "model" and "'m'" in error.message for error in said.values())
    assert "reranker" in said["rerank", "generate"].remedy
    assert "--task embeddings" in said["embeddings", "generate"].remedy
    assert "`rerank`" in said["generate", "rerank"].remedy
