"""What a model was not made for is refused with the place where to send it."""

from itertools import permutations
from typing import get_args

from rbee.contracts.workers import Task
from rbee.queen.inference.refusals import refusal
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


def test_a_picture_for_a_model_of_text_is_the_askers_mistake() -> None:
    error = refusal(
        500,
        b'{"error":{"code":500,"message":"image input is not supported - hint: if this is '
        b'unexpected, you may need to provide the mmproj","type":"server_error"}}',
    )
    assert (error.status, error.code) == (400, "invalid_request")
    assert error.message == "This model cannot take that: image input is not supported."
    assert "choose a model" in error.remedy


def test_an_engine_without_the_endpoint_is_named_as_the_cause() -> None:
    error = refusal(404, b'{"error":{"message":"File Not Found","type":"not_found_error"}}')
    assert (error.status, error.code) == (400, "invalid_request")
    assert "File Not Found" in error.message
    assert "endpoint" in error.remedy
