"""A million bent join tokens: none gets in, none crashes or hangs what reads it.

``.venv/bin/python benchmarks/tokens.py [COUNT]``. Each is a real, open token, bent in one to three
places: cut, doubled, mixed with another open one, other letters, other scripts. All are
parsed; those that still have a token's form are tried against the queen's books, as the join
route does. At the end the untouched tokens still work, and the memory is what it was.
"""

import random
import sys
import time
import tracemalloc
from collections import Counter

from rbee.errors import Forbidden, InvalidRequest
from rbee.foundation.identity.tokens import JoinToken, make_token, parse_token
from rbee.queen.joining.books import Books, Ledger

CA = "5f" * 32
OPEN = 50  # tokens that somebody could use
SLOWEST_MS_MAX = 20.0  # CPU of one try, a collection of garbage included
GROWTH_BYTES_MAX = 1_000_000
NOW = 1_800_000_000.0
_ALPHABET = "abcdefABCDEF0123456789-_.= \t\r\n\x00\x7fé٣\uff21🐝%/'"


def bend(rng: random.Random, text: str, other: str) -> str:
    """One to three changes; a third of them keep the form of a token."""
    letters = list(text)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(letters)) if letters else 0
        match rng.randrange(6):
            case 0:
                letters[at : at + 1] = rng.choice(_ALPHABET)
            case 1:
                letters[at : at + rng.randint(1, 40)] = ""
            case 2:
                letters[at:at] = letters[: rng.randint(1, 200)]
            case 3:
                letters = [*letters[:at], *other[at:]]
            case 4:
                letters[at : at + 1] = rng.choice("0123456789abcdef")
            case _:
                letters[at:at] = chr(rng.randrange(0x110000))
    return "".join(letters)


def main(count: int) -> None:
    """Bend, try, count, and say what came of it."""
    rng = random.Random(count)  # noqa: S311  it bends, it guards nothing
    books = Books(Ledger())
    tokens: list[JoinToken] = [make_token(CA) for _ in range(OPEN)]
    for token in tokens:
        books.add_token(token, [], NOW, life_s=3600.0, made_by="bench")
    texts = [token.text() for token in tokens]
    outcomes: Counter[str] = Counter()
    slowest_s = 0.0
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    began = time.perf_counter()
    for _ in range(count):
        text = rng.choice(texts)
        bent = bend(rng, text, rng.choice(texts))
        started = time.thread_time()
        outcome = attempt(books, bent, texts)
        slowest_s = max(slowest_s, time.thread_time() - started)
        outcomes[outcome] += 1
    took_s = time.perf_counter() - began
    after, _ = tracemalloc.get_traced_memory()
    print(f"{count:,} bent tokens in {took_s:.1f} s: {dict(outcomes)}")
    print(f"slowest {slowest_s * 1e3:.2f} ms of CPU, memory {after - before:+,} bytes")
    assert outcomes["let in"] == 0
    assert slowest_s * 1e3 < SLOWEST_MS_MAX
    assert after - before < GROWTH_BYTES_MAX
    for number, text in enumerate(texts):
        key = f"{number:064x}"
        assert books.use_token(
            parse_token(text), f"hive-{number}", key, NOW, in_use=lambda _name: False
        )


def attempt(books: Books, bent: str, texts: list[str]) -> str:
    """What became of one; a token that came out whole again is no attack."""
    try:
        token = parse_token(bent)
    except InvalidRequest:
        return "no token"
    if bent.strip() in texts:
        return "unharmed"
    if token.ca_fingerprint != CA:  # what the office looks at before its books
        return "another colony"
    try:
        books.use_token(token, "intruder", "0" * 64, NOW, in_use=lambda _name: False)
    except Forbidden:
        return "refused"
    return "let in"


if __name__ == "__main__":
    main(int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 1_000_000)
