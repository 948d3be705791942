"""Which worker takes a request, and why."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rbee.contracts.ids import HiveId, ModelId, WorkerId
from rbee.queen.inference.routing import choose, slots_of
from rbee.queen.registry.workers import RoutableWorker


def worker(
    worker_id: str,
    *,
    slots: int | None = 4,
    hive: str = "h",
    queued: int | None = None,
    gpu: float | None = None,
    local: bool = True,
) -> RoutableWorker:
    return RoutableWorker(
        worker_id=WorkerId(worker_id),
        hive_id=HiveId(hive),
        model=ModelId("m"),
        address="127.0.0.1",
        port=9000,
        key="k",
        generation=1,
        pid=1,
        status="ready",
        slots_total=slots,
        slots_busy=None,
        queued=queued,
        gpu_util_pct=gpu,
        tokens_per_s=None,
        unary_cancel=False,
        local=local,
    )


def chosen(workers: list[RoutableWorker], running: dict[str, int], **wish: str) -> str | None:
    choice = choose(workers, running, **wish)  # pyright: ignore[reportArgumentType]  a wish is any of its fields
    return choice and str(choice.worker.worker_id)


def test_the_least_loaded_share_wins() -> None:
    workers = [worker("small", slots=2), worker("large", slots=8)]
    assert chosen(workers, {"small": 1, "large": 3}) == "large"
    assert chosen(workers, {"small": 0, "large": 1}) == "small"


def test_among_the_same_load_the_engines_queue_then_the_gpu_then_here() -> None:
    assert chosen([worker("a", queued=2), worker("b", queued=0)], {}) == "b"
    assert chosen([worker("a", gpu=90), worker("b", gpu=10)], {}) == "b"
    assert chosen([worker("a", local=False), worker("b", local=True)], {}) == "b"


def test_equals_take_turns() -> None:
    workers = [worker("a"), worker("b"), worker("c")]
    turns = [choose(workers, {}, turn=turn) for turn in range(6)]
    assert [str(choice.worker.worker_id) for choice in turns if choice] == list("abcabc")


def test_a_preferred_hive_is_a_wish_and_a_named_worker_an_order() -> None:
    workers = [worker("near", hive="one"), worker("far", hive="two")]
    assert chosen(workers, {"far": 3}, hive_id="two") == "far"
    assert chosen(workers, {"far": 4}, hive_id="two") == "near"
    assert chosen(workers, {"far": 3}, worker_id="far") == "far"
    assert chosen(workers, {"far": 4}, worker_id="far") is None


def test_an_engine_that_does_not_tell_its_slots_gets_one_request() -> None:
    assert chosen([worker("a", slots=None)], {}) == "a"
    assert chosen([worker("a", slots=None)], {"a": 1}) is None


def test_an_embeddings_worker_gets_embeddings_and_nothing_else() -> None:
    text = worker("text")
    vectors = msgspec.structs.replace(worker("vectors"), task="embeddings")
    assert chosen([text, vectors], {"text": 3}) == "text"
    assert chosen([text, vectors], {"vectors": 3}, task="embeddings") == "vectors"
    assert chosen([text], {}, task="embeddings") is None


@given(
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 9)), max_size=12),
    st.integers(0, 100),
)
def test_the_choice_has_a_free_slot_and_no_worker_is_less_loaded(
    loads: list[tuple[int, int]], turn: int
) -> None:
    workers = [worker(str(index), slots=slots) for index, (slots, _) in enumerate(loads)]
    running = {str(index): busy for index, (_, busy) in enumerate(loads)}
    choice = choose(workers, running, turn=turn)
    shares = [busy / slots for slots, busy in loads if busy < slots]
    if choice is None:
        assert not shares
        return
    share = running[choice.worker.worker_id] / slots_of(choice.worker)
    assert share == min(shares)
    assert choice.why
