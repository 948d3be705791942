"""What an answer took, in the words of four APIs. The samples are the real engine's."""

import pytest

from rbee.queen.inference.usage import Usage, usage_in

CHAT = (
    b'{"choices":[{"message":{"content":"hi"}}],"usage":{"completion_tokens":60,'
    b'"prompt_tokens":34,"total_tokens":94,"prompt_tokens_details":{"cached_tokens":33}},'
    b'"timings":{"cache_n":33,"prompt_n":1,"predicted_n":60}}'
)
STREAM_END = (
    b'data: {"choices":[{"finish_reason":"length","index":0,"delta":{}}],"timings":{"cache_n":30,'
    b'"prompt_n":1,"prompt_ms":15.347,"predicted_n":3,"predicted_ms":78.5}}\n\ndata: [DONE]\n\n'
)
MESSAGES = b'{"usage":{"cache_read_input_tokens":30,"input_tokens":1,"output_tokens":8}}'
MESSAGES_END = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":3}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
)
RESPONSES = (
    b'"usage":{"input_tokens":31,"output_tokens":3,"total_tokens":34,'
    b'"input_tokens_details":{"cached_tokens":30}}},"timings":{"cache_n":30,"predicted_n":3}}'
)


@pytest.mark.parametrize(
    ("last", "usage"),
    [
        (CHAT, Usage(34, 60)),
        (STREAM_END, Usage(31, 3)),
        (MESSAGES, Usage(31, 8)),
        (MESSAGES_END, Usage(0, 3)),
        (RESPONSES, Usage(31, 3)),
        (b'{"object":"list","usage":{"prompt_tokens":5,"total_tokens":5}}', Usage(5, 0)),
        (b'data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n', None),
        (b"", None),
    ],
)
def test_each_api_is_understood(last: bytes, usage: Usage | None) -> None:
    assert usage_in(last) == usage


def test_what_the_model_wrote_is_not_taken_for_a_figure() -> None:
    said = b'{"content":"{\\"usage\\": {\\"prompt_tokens\\": 7}, \\"output_tokens\\": 9}"}'
    assert usage_in(said) is None


def test_a_stream_of_messages_tells_its_prompt_at_its_beginning() -> None:
    first = (
        b'event: message_start\ndata: {"type":"message_start","message":{"usage":'
        b'{"input_tokens":21,"cache_read_input_tokens":4,"output_tokens":1}}}\n\n'
    )
    last = b'data: {"type":"message_delta","usage":{"output_tokens":9}}\n\n'
    assert usage_in(last, first) == Usage(25, 9)
    assert usage_in(b'"usage":{"prompt_tokens":3,"completion_tokens":4}', first) == Usage(3, 4)
    assert usage_in(b"nothing", first) is None
