"""What the data plane counts, and that nothing a client sends makes it grow without bound."""

import tracemalloc

import pytest

from rbee.queen.tally import ENDPOINTS_MAX, OTHER, WORDS_MAX, Buckets, Tally

_CHAT = "/v1/chat/completions"


def test_an_answer_counts_in_every_figure_of_its_row() -> None:
    tally = Tally()
    tally.answered("m", _CHAT, 200, queue_s=0.2, first_s=0.5, whole_s=1.5, events=11)
    tally.tokens("m", _CHAT, 7, 10)
    (row,) = tally.rows()
    assert (row.model, row.endpoint, row.statuses) == ("m", _CHAT, {200: 1})
    assert (row.events, row.prompt_tokens, row.completion_tokens) == (11, 7, 10)
    assert row.queue_s.total == pytest.approx(0.2)
    assert row.first_s.total == pytest.approx(0.5)
    assert row.gap_s.total == pytest.approx(0.1), "one second over ten gaps"
    assert row.whole_s.total == pytest.approx(1.5)


def test_an_answer_in_one_piece_has_no_gaps() -> None:
    tally = Tally()
    tally.answered("m", _CHAT, 200, first_s=0.5, whole_s=0.5)
    tally.answered("m", _CHAT, 503)
    (row,) = tally.rows()
    assert sum(row.gap_s.counts) == 0
    assert sum(row.first_s.counts) == 1
    assert sum(row.whole_s.counts) == 2


def test_a_value_on_a_bound_belongs_below_it() -> None:
    buckets = Buckets((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 9.0):
        buckets.add(value)
    assert list(buckets.cumulative()) == [("1.0", 2), ("2.0", 4), ("+Inf", 5)]


def test_names_that_no_worker_answered_for_share_one_row() -> None:
    tally = Tally()
    for number in range(1000):
        tally.answered(f"made-up-{number}", _CHAT, 404)
        tally.retried(f"made-up-{number}")
    assert [(row.model, row.statuses) for row in tally.rows()] == [(OTHER, {404: 1000})]
    assert tally.retries == {OTHER: 1000}


def test_a_known_models_refusals_are_its_own() -> None:
    tally = Tally()
    tally.answered("m", _CHAT, 200)
    tally.answered("m", _CHAT, 400)
    tally.retried("m")
    assert [row.statuses for row in tally.rows()] == [{200: 1, 400: 1}]
    assert tally.retries == {"m": 1}


def test_models_endpoints_and_words_are_bounded() -> None:
    tally = Tally(models_max=3)
    for number in range(50):
        tally.answered(f"model-{number}", _CHAT, 200)
        tally.continued(f"model-{number}", ok=True)
        tally.routed(f"policy-{number}")
        tally.answered("model-0", f"/v1/{number}", 200)
    assert {row.model for row in tally.rows()} == {"model-0", "model-1", "model-2", OTHER}
    assert len({row.endpoint for row in tally.rows()}) == ENDPOINTS_MAX + 1
    assert len(tally.routes.counts) == WORDS_MAX + 1
    assert len(tally.continued_streams) == 4
    total = sum(count for row in tally.rows() for count in row.statuses.values())
    assert total == 100, "what has no label of its own is still counted"


def test_spawns_and_evictions_are_counted_by_their_end() -> None:
    tally = Tally()
    tally.spawned(ok=True, load_s=1.5)
    tally.spawned(ok=False)
    tally.evicted("idle")
    tally.refused("queue_full")
    assert tally.spawns.counts == {"started": 1, "failed": 1}
    assert tally.load_s.total == pytest.approx(1.5)
    assert tally.evictions.counts == {"idle": 1}
    assert tally.refusals.counts == {"queue_full": 1}


def test_a_million_answers_need_no_more_memory_than_one() -> None:
    tally = Tally()
    tally.answered("m", _CHAT, 200, queue_s=0.1, first_s=0.2, whole_s=0.3, events=5)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5_000):
            tally.answered("m", _CHAT, 200, queue_s=0.1, first_s=0.2, whole_s=0.3, events=5)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 4096


def test_a_copy_is_at_rest() -> None:
    tally = Tally()
    tally.answered("m", _CHAT, 200, queue_s=0.2, first_s=0.5, whole_s=1.5, events=11)
    tally.tokens("m", _CHAT, 7, 10)
    tally.continued("m", ok=True)
    copy = tally.copied()
    (before,) = copy.rows()
    tally.answered("m", _CHAT, 500, queue_s=0.2, first_s=0.5, whole_s=1.5, events=11)
    tally.tokens("m", _CHAT, 1, 1)
    tally.continued("m", ok=False)
    tally.routed("x")
    tally.spawned(ok=True, load_s=1.0)
    assert before.statuses == {200: 1}
    assert (before.prompt_tokens, before.completion_tokens, before.events) == (7, 10, 11)
    assert sum(before.whole_s.counts) == sum(before.gap_s.counts) == 1
    assert copy.continued_streams == {("m", True): 1}
    assert copy.routes.counts == {}
    assert copy.spawns.counts["started"] == sum(copy.load_s.counts) == 0
