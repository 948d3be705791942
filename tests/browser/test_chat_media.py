"""Pictures and sounds in the chat: to the worker as it expects them, kept, and refused in words."""

import hashlib
import io
import json
import re
import struct
import subprocess
import sys
import wave
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from browser.kit import Faults, Here
from rbee.testing.waiting import until_now

pytestmark = pytest.mark.system

LOOKER = "looker"
TALKER = "talker"
SIDE_PX_MAX = 1568
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def looking(colony: Here) -> Iterator[Here]:
    """A model whose engine may take pictures and sounds, and one that runs without eyes and ears."""
    words = [sys.executable, "-m", "rbee.testing.talker", colony.queen.url]
    workers = [
        subprocess.Popen([*words, "--name", LOOKER, "--engine", "vllm"]),
        subprocess.Popen(words),
    ]
    models = f"{colony.queen.url}/v1/models"
    until_now(lambda: all(name in httpx2.get(models).text for name in (LOOKER, TALKER)))
    yield colony
    for worker in workers:
        worker.kill()
        worker.wait()


def picture(width: int, height: int) -> FilePayload:
    """A PNG of one colour."""

    def part(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = (b"\0" + b"\xd9\x8a\x1b" * width) * height
    data = b"\x89PNG\r\n\x1a\n" + part(
        b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    )
    data += part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")
    return {"name": "comb.png", "mimeType": "image/png", "buffer": data}


def sound() -> FilePayload:
    """A tenth of a second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        out.writeframes(b"\0\0" * 800)
    return {"name": "buzz.wav", "mimeType": "audio/wav", "buffer": file.getvalue()}


def told(file: FilePayload, kind: str, form: str) -> str:
    """What the worker says of a file that came whole."""
    data = file["buffer"]
    return f"{kind} {form} {len(data)} bytes {hashlib.sha256(data).hexdigest()[:12]}"


def opened(page: Page, here: Here, model: str) -> Locator:
    """The chat with a model; gives where files go."""
    page.goto(f"{here.url}/chat?model={model}")
    expect(page.get_by_role("button", name=re.compile(f"Model: {model}"))).to_be_visible()
    return page.get_by_label("Pictures and sounds", exact=True)


def ask(page: Page, **wish: object) -> None:
    box = page.get_by_role("textbox", name="Message")
    box.fill(f"What is it? [[talk {json.dumps(wish)}]]")
    box.press("Enter")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)


def answer(page: Page) -> Locator:
    return page.locator(".prose").last


def test_they_reach_the_worker_as_parts_are_shown_and_survive_a_reload(
    page: Page, looking: Here
) -> None:
    files = opened(page, looking, LOOKER)
    small, wav = picture(40, 30), sound()
    files.set_input_files([small, wav])
    attached = page.get_by_role("list", name="Attached")
    expect(attached.get_by_role("listitem")).to_have_count(2)
    ask(page, tell=True)
    came = f"{told(small, 'image_url', 'data:image/png')}; {told(wav, 'input_audio', 'wav')}"
    expect(answer(page)).to_have_text(came)
    expect(attached).to_have_count(0)

    page.reload()
    question = page.get_by_role("article", name="You")
    seen = question.get_by_role("img", name="comb.png")
    expect(seen).to_be_visible()
    assert seen.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [40, 30]
    heard = question.get_by_label("buzz.wav")
    expect(heard).to_be_visible()
    page.wait_for_function("document.querySelector('audio').duration > 0.09")

    # A question later they are still part of what is asked.
    ask(page, tell=True)
    expect(answer(page)).to_have_text(came)


def test_a_large_picture_is_made_smaller_and_one_can_be_taken_back(
    page: Page, looking: Here
) -> None:
    files = opened(page, looking, LOOKER)
    files.set_input_files([picture(3136, 1000), sound()])
    page.get_by_role("button", name="Remove buzz.wav").click()
    ask(page, tell=True)
    expect(answer(page)).to_have_text(re.compile(r"^image_url data:image/png \d+ bytes \w+$"))
    seen = page.get_by_role("article", name="You").get_by_role("img", name="comb.png")
    assert seen.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [SIDE_PX_MAX, 500]


def test_what_cannot_be_sent_is_refused_in_words(page: Page, looking: Here, tmp_path: Path) -> None:
    files = opened(page, looking, LOOKER)
    for name, content in (
        ("torn.png", b"\x89PNG torn"),
        ("letter.txt", b"Dear bees"),
        ("long.wav", bytes(17 * MIB)),
        ("one.wav", bytes(12 * MIB)),
        ("two.wav", bytes(12 * MIB)),
    ):
        (tmp_path / name).write_bytes(content)
    for file, reason in (
        ("torn.png", "torn.png is no picture that this browser can read."),
        ("letter.txt", "letter.txt is neither a picture nor a WAV or MP3 sound."),
        ("long.wav", "long.wav is larger than 16 MiB."),
    ):
        files.set_input_files(tmp_path / file)
        expect(page.get_by_text(reason)).to_be_visible()
    expect(page.get_by_role("list", name="Attached")).to_have_count(0)

    # Each is short enough, all together are not.
    files.set_input_files([tmp_path / "one.wav", tmp_path / "two.wav"])
    expect(page.get_by_text("two.wav is too much")).to_be_visible()
    expect(page.get_by_role("list", name="Attached").get_by_role("listitem")).to_have_count(1)


def test_a_model_that_takes_none_says_so_before_and_after(
    page: Page, looking: Here, page_faults: Faults
) -> None:
    files = opened(page, looking, TALKER)
    page.get_by_role("button", name="This model takes text only").click(force=True)
    expect(page.get_by_text("This model takes no pictures or sounds.")).to_be_visible()
    files.set_input_files(picture(4, 4))
    expect(page.get_by_role("list", name="Attached")).to_have_count(0)

    # Nobody knew it of this one: its worker says it.
    opened(page, looking, LOOKER).set_input_files(picture(4, 4))
    ask(page, refuse="This model has no eyes: it takes text alone.")
    alert = page.get_by_role("alert").filter(has_text="The engine refused the request")
    expect(alert).to_contain_text("This model has no eyes: it takes text alone.")
    expect(alert.get_by_role("button", name="Try again")).to_be_visible()
    assert not page_faults.left()
