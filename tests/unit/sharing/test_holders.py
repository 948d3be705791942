"""Who has a model, likely nearest first, and where it may be dialled."""

from collections.abc import Sequence

from rbee.contracts.hives import HiveInfo, NodeStats
from rbee.contracts.ids import HiveId
from rbee.contracts.models import Model, ModelStatus
from rbee.queen.registry.hives import HiveView
from rbee.queen.registry.liveness import HiveState
from rbee.queen.sharing.holders import direct_url, find_holders

A, B = "a" * 64, "b" * 64


def row(sha256: str | None = A, *, model: str = "m", status: ModelStatus = "available") -> Model:
    return Model(id=model, name=model, sha256=sha256, status=status)


def hive(
    name: str,
    *models: Model,
    address: str = "10.0.0.1",
    host: str | None = None,
    state: HiveState = "fresh",
    port: int = 7835,
) -> HiveView:
    info = HiveInfo(id=name, hostname=host or name, address=address, port=port, version="0")
    return HiveView(
        id=HiveId(name),
        url=f"http://{address}:{port}",
        state=state,
        local=False,
        beat_age_s=0.1,
        info=info,
        node=NodeStats(),
        capabilities=None,
        models=list(models),
        told_models=True,
        workers=[],
    )


READER = hive("reader", address="10.0.0.9", host="pc")


def names(
    *hives: HiveView,
    sha256: str | None = None,
    from_hive: str | None = None,
    failed: Sequence[str] = (),
) -> list[str]:
    found = find_holders(
        "m", [READER, *hives], READER, sha256=sha256, from_hive=from_hive, failed=failed
    )
    return [str(one.hive.id) for one in found]


def test_the_same_machine_before_the_same_network_before_elsewhere() -> None:
    far = hive("a-far", row(), address="192.168.7.1")
    near = hive("b-near", row(), address="10.0.0.77")
    same = hive("c-same", row(), address="10.0.0.9", host="pc", port=7836)
    assert names(far, near, same) == ["c-same", "b-near", "a-far"]
    assert names(far, near, same, from_hive="a-far")[0] == "a-far"


def test_only_who_has_it_whole_and_answers() -> None:
    assert (
        names(
            hive("down", row(), state="down"),
            hive("partial", row(None, status="downloading")),
            hive("corrupt", row(status="corrupt")),
            hive("other", row(model="else")),
        )
        == []
    )
    assert names(hive("one", row()), hive("two", row()), failed=["one"]) == ["two"]
    assert names(hive("late", row(), state="degraded")) == ["late"]


def test_one_content_at_a_time() -> None:
    one, two = hive("one", row(A)), hive("two", row(B))
    assert names(one, two) == ["one"]
    assert names(one, two, from_hive="two") == ["two"]
    assert names(one, two, sha256=B) == ["two"]
    elsewhere = hive("three", row(B, model="another-name"))
    assert names(one, two, elsewhere, sha256=B) == ["three", "two"]


def test_without_a_digest_one_hive_is_asked_to_compute_it() -> None:
    one, two = hive("one", row(None)), hive("two", row(None))
    assert names(one, two) == ["one"]
    assert names(one, two, from_hive="two") == ["two"]
    assert names(one, hive("three", row(A))) == ["three"]


def test_a_loopback_address_is_for_its_own_machine() -> None:
    here = hive("here", address="127.0.0.1", host="pc")
    assert direct_url(here, READER) == "http://127.0.0.1:7835"
    assert direct_url(hive("there", address="127.0.0.1", host="box"), READER) is None
    assert direct_url(hive("far", address="10.9.9.9"), READER) == "http://10.9.9.9:7835"
    assert direct_url(hive("closed", port=0), READER) is None


def test_a_host_name_that_two_machines_share_makes_them_not_one() -> None:
    twin = hive("twin", row(), address="10.9.9.9", host="pc")
    near = hive("z-near", row(), address="10.0.0.77")
    assert names(twin, near) == ["z-near", "twin"]
