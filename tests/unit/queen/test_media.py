"""URLs in requests: what is found, what is refused, what is fetched and put in."""

import json

import pytest

from rbee.errors import InvalidRequest
from rbee.foundation.http.guarded import Fetched
from rbee.queen.inference.media import BYTES_MAX, URLS_MAX, Media, may_name

pytestmark = pytest.mark.anyio

LINK = "http://169.254.169.254/latest/meta-data"
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def chat(*parts: object) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": parts}]}).encode()


NAMED = [
    chat({"type": "image_url", "image_url": {"url": LINK}}),
    chat({"type": "image_url", "image_url": LINK}),
    chat({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}),
    chat({"type": "video_url", "video_url": {"url": LINK}}),
    chat({"type": "audio_url", "audio_url": {"url": LINK}}),
    chat({"type": "image", "source": {"type": "url", "url": LINK}}),
    chat({"type": "document", "source": {"type": "url", "url": LINK}}),
    chat({"type": "input_file", "file_url": LINK}),
    chat({"type": "image", "url": LINK}),
    chat(
        {"type": "text", "text": "x"},
        {"type": "tool_result", "content": [{"type": "image", "source": {"url": LINK}}]},
    ),
    json.dumps(
        {"model": "m", "input": [{"role": "user", "content": [{"image_url": LINK}]}]}
    ).encode(),
    json.dumps({"model": "m", "documents": [{"image_url": {"url": LINK}}]}).encode(),
    rb'{"model":"m","messages":[{"content":[{"image\u005furl":{"\u0075rl":"http://10.0.0.1"}}]}]}',
    rb'{"model":"m","messages":[{"content":[{"image_url":{"url":"\u0064ata-no://x"}}]}]}',
]

FREE = [
    chat({"type": "image_url", "image_url": {"url": PIXEL}}),
    chat({"type": "image_url", "image_url": {"url": "DATA:image/png;base64,AA=="}}),
    chat({"type": "text", "text": f'look at "url": "{LINK}"'}),
    chat({"type": "tool_use", "name": "get", "input": {"url": LINK, "image_url": LINK}}),
    chat({"type": "text", "text": "x", "annotations": [{"type": "url_citation", "url": LINK}]}),
    json.dumps(
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"function": {"parameters": {"properties": {"url": {"default": LINK}}}}}],
        }
    ).encode(),
    json.dumps({"model": "m", "prompt": "caf\u00e9 <b>"}).encode(),
    rb'{"model":"m","prompt":"\u003cb\u003e"}',
]


@pytest.mark.parametrize("body", NAMED)
async def test_what_an_engine_would_fetch_is_refused(body: bytes) -> None:
    assert may_name(body)
    with pytest.raises(InvalidRequest, match="not fetched here") as raised:
        await Media([]).settle(body)
    assert (raised.value.param or "").startswith("$.")
    assert "data:" in raised.value.remedy


@pytest.mark.parametrize("body", FREE)
async def test_what_none_would_fetch_passes_unchanged(body: bytes) -> None:
    assert await Media([]).settle(body) is body


async def test_large_bodies_are_read_beside_the_loop() -> None:
    body = chat({"type": "image_url", "image_url": {"url": PIXEL + "A" * 300_000}})
    assert await Media([]).settle(body) is body


async def test_an_allowed_url_is_put_in() -> None:
    asked: list[str] = []

    async def fetching(url: str) -> Fetched:
        asked.append(url)
        return Fetched(b"\x89PNG", "image/png")

    media = Media(["pictures.example"], fetching=fetching)
    url = "https://pictures.example/cat.png"
    settled = json.loads(await media.settle(chat({"type": "image_url", "image_url": {"url": url}})))
    assert asked == [url]
    inlined = settled["messages"][0]["content"][0]["image_url"]["url"]
    assert inlined == "data:image/png;base64,iVBORw=="


async def test_what_is_no_medium_is_not_put_in() -> None:
    async def fetching(_url: str) -> Fetched:
        return Fetched(b"secret of an internal page", "text/html")

    with pytest.raises(InvalidRequest, match="not to an image"):
        await Media(["*"], fetching=fetching).settle(NAMED[0])


async def test_a_request_names_a_few_urls_at_most() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://x.example/a"}}
    with pytest.raises(InvalidRequest, match=str(URLS_MAX)):
        await Media(["*"]).settle(chat(*[part] * (URLS_MAX + 1)))
    assert BYTES_MAX * 3 * 4 / 3 <= 32 * 1024 * 1024


async def test_a_body_that_hides_something_broken_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="not one JSON object"):
        await Media([]).settle(b'{"url":' + b"[" * 5000)
