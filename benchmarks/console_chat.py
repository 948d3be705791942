"""Does a chat of 30,000 tokens type without lag? Measured in a real Chromium, at 200 tokens a second.

    make console && .venv/bin/python benchmarks/console_chat.py            # five minutes
    .venv/bin/python benchmarks/console_chat.py --only chat --seconds 10   # a look
    .venv/bin/python benchmarks/console_chat.py --only answer --begun 27000 # its last 3,000 tokens

A queen serves the built console (or ``RBEE_CONSOLE_DIR``) and ``rbee.testing.talker`` says Markdown
(headings, lists, code, tables, formulas) in a process of its own. ``chat`` has 25,000 tokens in 50
turns and gets an answer of 5,000; ``answer`` is one answer of 30,000; ``code`` one block of code of
15,000. Meanwhile letters are typed into the composer. In the page are counted: tasks of the main
thread over 50 ms (long tasks), the time between frames, and from a key press to the frame that shows
it (Event Timing). The main thread's share and the longest task are counted in CPU time too, which a
busy machine does not change. The bars are the console's: no task over 100 ms, p99 frame at most 34 ms.

Whether the answer is still written is asked by CSS, never by role: Playwright looks for roles in all
the page's elements and asks for the style of each, which with 26,000 of them is a task of 250 ms in
the very thread that is measured.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final, cast

from playwright.sync_api import CDPSession, Page, sync_playwright

from rbee.testing.colony import Colony
from rbee.testing.talker import MODEL, pieces

PER_S: Final = 200
TURNS: Final = 50
CHAT_TOKENS: Final = 25_000
ANSWER_TOKENS: Final = 30_000
WRITTEN: Final = 'button[aria-label="Stop"]'  # there while an answer is written
KEY_EVERY_MS: Final = 120  # a quick typist
FRAME_MS_MAX: Final = 34.0
TASK_MS_MAX: Final = 100.0
CHROMIUM: Final = os.environ.get("RBEE_TEST_CHROMIUM", "/usr/bin/chromium")

WATCH: Final = """
() => {
  const seen = { tasks: [], frames: [], keys: [], since: performance.now() };
  window.__seen = seen;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) seen.tasks.push(entry.duration);
  }).observe({ type: "longtask" });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (entry.name === "keydown") seen.keys.push(entry.duration);
  }).observe({ type: "event", durationThreshold: 16 });
  let last = performance.now();
  const frame = (now) => { seen.frames.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}
"""


def main() -> None:
    """Measure what was asked for and print a table."""
    options = _options()
    rows: list[dict[str, Any]] = []
    with _stage() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        for name in options.only or ("chat", "answer", "code"):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            page = context.new_page()
            page.goto(f"{url}/chat?model={MODEL}")
            page.get_by_role("textbox", name="Message").wait_for()
            rows.append(_measured(page, name, options.seconds, options.begun))
            context.close()
        browser.close()
    _tell(rows)
    if options.out:
        options.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _stage() -> Generator[str]:
    """A queen that serves the console, and the talker at her."""
    with tempfile.TemporaryDirectory(prefix="rbee-chat-") as folder, Colony(Path(folder)) as colony:
        queen = colony.queen(start=False)
        if "RBEE_CONSOLE_DIR" in os.environ:
            queen.env["RBEE_CONSOLE_DIR"] = os.environ["RBEE_CONSOLE_DIR"]
        queen.start()
        words = [sys.executable, "-m", "rbee.testing.talker", queen.url]
        talker = subprocess.Popen(words)
        try:
            yield f"http://localhost:{queen.port}"
        finally:
            talker.kill()
            talker.wait()


def _measured(page: Page, name: str, seconds: float | None, begun: int) -> dict[str, Any]:
    session = page.context.new_cdp_session(page)
    # CPU time of the thread: a share of wall time says as much about the neighbours as about us.
    _sent(session, "Performance.enable", timeDomain="threadTicks")
    box = page.locator('textarea[aria-label="Message"]')
    if name == "answer" and begun:
        _go_on(page, begun)
    else:
        _ask(page, name)
    page.locator(".prose[data-growing]").first.wait_for()
    box.focus()
    page.evaluate(WATCH)
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=["toplevel"])
    busy, began = _busy(session), time.monotonic()
    until = began + (seconds or 1_000)
    letters = 0
    while time.monotonic() < until and page.locator(WRITTEN).count():
        page.keyboard.type("bees "[letters % 5])
        letters += 1
        if letters % 200 == 0:
            box.fill("")
        page.wait_for_timeout(KEY_EVERY_MS)
    wall = time.monotonic() - began
    share = (_busy(session) - busy) / wall
    # What ends an answer (the last parse, the figures, the history) counts too.
    if seconds is None:
        page.wait_for_timeout(1_000)
    tasks = _tasks(browser.stop_tracing())
    return {**_figures(page, name, letters, wall, share), "longest task CPU ms": round(max(tasks))}


def _tasks(trace: bytes) -> list[float]:
    """The CPU time of each task of the page's main thread, in ms."""
    events = json.loads(trace)["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    spent = (
        event.get("tdur", 0) / 1_000
        for event in events
        if (event["pid"], event["tid"]) in mains and event["name"].endswith("RunTask")
    )
    return list(spent)


def _figures(page: Page, name: str, letters: int, wall: float, share: float) -> dict[str, Any]:
    seen = page.evaluate("() => window.__seen")
    frames = sorted(seen["frames"][2:])
    return {
        "name": name,
        "seconds": round(wall, 1),
        "long tasks": len(seen["tasks"]),
        "longest task ms": round(max(seen["tasks"], default=0.0)),
        "frame p50 ms": round(statistics.median(frames), 1),
        "frame p99 ms": round(frames[int(len(frames) * 0.99)], 1),
        "main thread %": round(100 * share, 1),
        "keys": letters,
        "keys over 16 ms": len(seen["keys"]),
        "slowest key ms": round(max(seen["keys"], default=16.0)),
        "DOM nodes": page.evaluate("() => document.getElementsByTagName('*').length"),
    }


def _ask(page: Page, name: str) -> None:
    if name == "chat":
        _import(page)
    box = page.locator('textarea[aria-label="Message"]')
    box.wait_for()
    box.fill(f"[[talk {json.dumps(_asked(name))}]]")
    box.press("Enter")


def _go_on(page: Page, begun: int) -> None:
    """Have an answer go on that has so many tokens: the worker reads its wish in the answer."""
    wish = {"tokens": ANSWER_TOKENS - begun, "per_s": PER_S}
    text = f"[[talk {json.dumps(wish)}]]\n\n{''.join(pieces(begun))}"
    question = {
        "id": "q",
        "parent": None,
        "role": "user",
        "text": "How do bees find home?",
        "at": 1,
    }
    facts = {"model": MODEL, "finish": "stopped"}
    answer = {"id": "a", "parent": "q", "role": "assistant", "text": text, "at": 2, "facts": facts}
    _bring(page, "A long answer", [question, answer])
    page.locator("button", has_text="Continue").click()


def _asked(name: str) -> dict[str, Any]:
    if name == "chat":
        return {"tokens": 5_000, "per_s": PER_S}
    if name == "answer":
        return {"tokens": ANSWER_TOKENS, "per_s": PER_S}
    lines = (f"def step_{n}(east: float) -> float:\n    return east + {n}\n\n" for n in range(900))
    return {"text": f"```python\n{''.join(lines)}```\n", "per_s": PER_S}


def _import(page: Page) -> None:
    """A long chat by the console's own import."""
    each = CHAT_TOKENS // (TURNS // 2)
    turns: list[dict[str, Any]] = []
    for n in range(TURNS):
        answer = n % 2 == 1
        turn = {
            "id": f"t{n}",
            "parent": f"t{n - 1}" if n else None,
            "role": "assistant" if answer else "user",
            "text": "".join(pieces(each)) if answer else f"Question {n}: how do bees find home?",
            "at": n + 1,
        }
        turns.append(turn | ({"facts": {"model": MODEL, "finish": "stop"}} if answer else {}))
    _bring(page, "A long chat", turns)
    page.get_by_text("Question 48").wait_for()


def _bring(page: Page, title: str, turns: list[dict[str, Any]]) -> None:
    """Open a chat of these turns."""
    chat = {"title": title, "updatedAt": 1, "panes": [{"model": MODEL, "turns": turns}]}
    whole = {"format": "rbee-chat", "version": 1, "chats": [chat]}
    page.locator('input[aria-label="A file of exported chats"]').set_input_files(
        {"name": "long.json", "mimeType": "application/json", "buffer": json.dumps(whole).encode()}
    )
    page.locator("aside button", has_text=title).first.click()


def _busy(session: CDPSession) -> float:
    metrics = _sent(session, "Performance.getMetrics")["metrics"]
    return float(next(row["value"] for row in metrics if row["name"] == "TaskDuration"))


def _sent(session: CDPSession, method: str, **parameters: str) -> dict[str, Any]:
    return cast("dict[str, Any]", session.send(method, parameters))  # pyright: ignore[reportUnknownMemberType]  Playwright leaves it open


def _tell(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    names = list(rows[0])
    sys.stdout.write("| " + " | ".join(names) + " |\n|" + "---|" * len(names) + "\n")
    for row in rows:
        sys.stdout.write("| " + " | ".join(str(row[name]) for name in names) + " |\n")
        met = row["frame p99 ms"] <= FRAME_MS_MAX and row["longest task ms"] <= TASK_MS_MAX
        if not met:
            sys.stdout.write(f"{row['name']}: over a bar ({FRAME_MS_MAX} ms, {TASK_MS_MAX} ms)\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--only", action="append", choices=["chat", "answer", "code"])
    parser.add_argument("--seconds", type=float, help="stop each after so long")
    parser.add_argument(
        "--begun", type=int, default=0, help="so many tokens of `answer` are there already"
    )
    parser.add_argument("--out", type=Path, help="write the figures there, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
