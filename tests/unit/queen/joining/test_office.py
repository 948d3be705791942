"""Joining as the queen decides it: tokens, approval, renewal, revocation, books on disk."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from rbee.contracts.joining import JoinAnswer, JoinRequest, JoinTokenWish
from rbee.errors import (
    Conflict,
    CorruptStore,
    Forbidden,
    HiveNotFound,
    InvalidRequest,
    NotFound,
    QueueFull,
    StorageError,
)
from rbee.foundation.identity.authority import make_authority
from rbee.foundation.identity.keys import Key, key_fingerprint, make_key, pairing_code
from rbee.foundation.identity.peers import peer_of
from rbee.foundation.identity.requests import make_request
from rbee.foundation.identity.tokens import make_token
from rbee.queen.joining.office import Office
from rbee.queen.joining.waiting import REFUSED_FOR_S, SILENT_S, WAITING_PER_ADDRESS_MAX

pytestmark = pytest.mark.anyio
HERE = "10.0.0.7"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Shown(msgspec.Struct):
    """What the server says of a connection's certificate."""

    hive_id: str | None
    serial: int


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_office(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> Callable[[], Office]:
    monkeypatch.setenv("RBEE_DATA_DIR", str(tmp_path))
    return lambda: Office(tmp_path / "queen", clock=clock)


@pytest.fixture
def office(make_office: Callable[[], Office]) -> Office:
    return make_office()


def _asks(key: Key, hive_id: str = "lab-2", token: str | None = None) -> JoinRequest:
    return JoinRequest(
        hive_id=hive_id,
        request=make_request(key, hive_id),
        token=token,
        hostname="lab\x1b[31m",
        version="0.4",
    )


def _shown(answer: JoinAnswer) -> Shown:
    assert answer.certificate is not None
    certificate = x509.load_pem_x509_certificate(answer.certificate.encode())
    peer = peer_of(certificate.public_bytes(Encoding.DER))
    assert peer is not None
    return Shown(hive_id=peer.id, serial=certificate.serial_number)


async def _token(office: Office, *names: str, expires_s: float = 3600.0) -> str:
    wish = JoinTokenWish(hive_ids=list(names), expires_s=expires_s)
    return (await office.new_token(wish, "ann")).token


async def test_a_token_lets_one_hive_in(office: Office) -> None:
    token = await _token(office)
    key = make_key()
    answer = await office.join(_asks(key, token=token), HERE)
    assert answer.status == "joined"
    assert answer.ca == office.authority.pem.decode()
    shown = _shown(answer)
    assert shown.hive_id == "lab-2"
    assert office.accepts(shown)
    with pytest.raises(Forbidden, match="used already, by lab-2"):
        await office.join(_asks(make_key(), "lab-3", token), HERE)
    again = await office.join(_asks(key, token=token), HERE)  # its answer was lost
    assert again.status == "joined"
    assert office.accepts(shown)
    assert office.tokens() == []


async def test_tokens_that_are_off_let_nobody_in(office: Office, clock: Clock) -> None:
    other = make_token(office.authority.fingerprint).text()
    foreign = make_token(make_authority(clock.now)[0].fingerprint).text()
    bound = await _token(office, "lab-1")
    short = await _token(office, expires_s=60.0)
    taken_back = await _token(office)
    await office.drop_token(taken_back.split(".")[2])
    clock.now += 61
    for token, says in (
        (other, "not known"),
        (foreign, "another colony"),
        (bound, "for lab-1"),
        (short, "expired"),
        (taken_back, "not known"),
    ):
        with pytest.raises(Forbidden, match=says) as caught:
            await office.join(_asks(make_key(), token=token), HERE)
        assert token.split(".")[3] not in f"{caught.value.message}{caught.value.remedy}"
    with pytest.raises(InvalidRequest):
        await office.join(_asks(make_key(), token="rbee1.x"), HERE)
    with pytest.raises(InvalidRequest, match="no name"):
        await office.join(_asks(make_key(), "../../etc", bound), HERE)
    assert (await office.join(_asks(make_key(), "lab-1", bound), HERE)).status == "joined"


async def test_a_name_that_is_taken_needs_a_token_for_it(office: Office) -> None:
    first = await office.join(_asks(make_key(), token=await _token(office)), HERE)
    told: list[str] = []
    office.on_revoked.append(told.append)
    with pytest.raises(Conflict, match="lab-2 belongs to the colony already"):
        await office.join(_asks(make_key(), token=await _token(office)), HERE)
    assert office.accepts(_shown(first))
    assert told == []
    second = await office.join(_asks(make_key(), token=await _token(office, "lab-2")), HERE)
    assert not office.accepts(_shown(first))
    assert office.accepts(_shown(second))
    assert told == ["lab-2"]


async def test_a_name_that_another_machine_uses_without_a_certificate_is_taken(
    tmp_path: Path, make_office: Callable[[], Office]
) -> None:
    make_office()
    office = Office(tmp_path / "queen", in_use=lambda name, at: (name, at) == ("bee", HERE))
    with pytest.raises(Conflict):
        await office.join(_asks(make_key(), "bee", await _token(office)), HERE)
    assert (await office.join(_asks(make_key(), "bee", await _token(office)), "::1")).certificate


async def test_approval_needs_an_operator_and_shows_the_same_code_on_both_sides(
    office: Office,
) -> None:
    key = make_key()
    first = await office.join(_asks(key), HERE)
    assert (first.status, first.certificate) == ("pending", None)
    code = pairing_code(office.authority.fingerprint, key_fingerprint(key.public_key()))
    assert first.code == code
    (row,) = office.requests()
    assert (row.hive_id, row.code, row.address, row.hostname) == ("lab-2", code, HERE, "lab[31m")
    with pytest.raises(NotFound):
        await office.approve("lab-2", "AAAAAA", "ann")
    assert (await office.join(_asks(key), HERE)).status == "pending"
    assert len(office.requests()) == 1
    assert await office.approve("lab-2", code.lower().replace("-", " "), "ann") == "lab-2"
    answer = await office.join(_asks(key), HERE)
    assert office.accepts(_shown(answer))
    assert office.requests() == []
    assert office.members()[0].joined_by == "approval by ann"


async def test_two_hives_of_one_name_are_told_apart_by_their_codes(office: Office) -> None:
    keys = [make_key(), make_key()]
    codes = [(await office.join(_asks(key), HERE)).code for key in keys]
    with pytest.raises(Conflict, match="2 hives wait"):
        await office.approve("lab-2", None, "ann")
    assert codes[1] is not None
    await office.approve(codes[1], None, "ann")
    assert (await office.join(_asks(keys[1]), HERE)).status == "joined"
    answer = await office.join(_asks(keys[0]), HERE)
    assert answer.status == "pending"
    assert office.requests()[0].replaces


async def test_a_rejected_hive_is_not_heard_for_an_hour(office: Office, clock: Clock) -> None:
    key = make_key()
    await office.join(_asks(key), HERE)
    assert office.reject("lab-2", None, "ann") == "lab-2"
    with pytest.raises(Forbidden, match="rejected"):
        await office.join(_asks(key), HERE)
    clock.now += REFUSED_FOR_S + 1
    assert (await office.join(_asks(key), HERE)).status == "pending"


async def test_the_queue_is_bounded_and_forgets_who_stopped_asking(
    office: Office, clock: Clock
) -> None:
    for number in range(WAITING_PER_ADDRESS_MAX):
        await office.join(_asks(make_key(), f"hive-{number}"), HERE)
    with pytest.raises(QueueFull):
        await office.join(_asks(make_key()), HERE)
    assert (await office.join(_asks(make_key()), "10.0.0.8")).status == "pending"
    clock.now += SILENT_S + 1
    assert office.requests() == []
    assert (await office.join(_asks(make_key()), HERE)).status == "pending"


async def test_a_hive_renews_with_its_own_key_alone(office: Office, clock: Clock) -> None:
    key = make_key()
    first = await office.join(_asks(key, token=await _token(office)), HERE)
    clock.now += 11 * 86_400
    renewed = await office.renew("lab-2", make_request(key, "lab-2"))
    assert office.accepts(_shown(renewed))
    assert office.accepts(_shown(first))
    assert office.members()[0].expires_at == clock.now + 30 * 86_400
    with pytest.raises(Forbidden):
        await office.renew("lab-2", make_request(make_key(), "lab-2"))
    with pytest.raises(Forbidden):
        await office.renew("lab-3", make_request(key, "lab-3"))


async def test_who_was_shut_out_is_out_at_once_and_after_a_restart(
    office: Office, make_office: Callable[[], Office]
) -> None:
    key = make_key()
    token = await _token(office)
    shown = _shown(await office.join(_asks(key, token=token), HERE))
    told: list[str] = []
    office.on_revoked.append(told.append)
    await office.revoke("lab-2", "ann")
    assert told == ["lab-2"]
    for desk in (office, make_office()):
        assert not desk.accepts(shown)
        with pytest.raises(Forbidden):
            await desk.renew("lab-2", make_request(key, "lab-2"))
        with pytest.raises(Forbidden, match="shut out"):
            await desk.join(_asks(key, token=token), HERE)
        with pytest.raises(Forbidden):
            desk.check_speaker(None, "lab-2")
        assert (await desk.join(_asks(key), HERE)).status == "pending"
    with pytest.raises(HiveNotFound):
        await office.revoke("nobody", "ann")


async def test_members_and_tokens_survive_a_restart(
    office: Office, make_office: Callable[[], Office], tmp_path: Path
) -> None:
    shown = _shown(await office.join(_asks(make_key(), token=await _token(office)), HERE))
    token = await _token(office, "lab-9")
    assert token.split(".")[3] not in (tmp_path / "queen" / "joining.json").read_text()
    after = make_office()
    assert after.accepts(shown)
    assert [row.hive_ids for row in after.tokens()] == [["lab-9"]]
    assert (await after.join(_asks(make_key(), "lab-9", token), HERE)).status == "joined"


async def test_a_hive_speaks_for_itself_alone(office: Office) -> None:
    await office.join(_asks(make_key(), token=await _token(office)), HERE)
    office.check_speaker("lab-2", "lab-2")
    office.check_speaker(None, "local-hive")
    for speaker, name in (("lab-2", "lab-3"), ("lab-2", "local-hive"), (None, "lab-2")):
        with pytest.raises(Forbidden):
            office.check_speaker(speaker, name)
    assert office.accepts(Shown(hive_id=None, serial=5))
    assert not office.accepts(Shown(hive_id="lab-2", serial=5))
    assert not office.accepts(Shown(hive_id="lab-3", serial=5))


async def test_damaged_books_are_no_empty_ones(
    tmp_path: Path, make_office: Callable[[], Office]
) -> None:
    (tmp_path / "queen").mkdir()
    (tmp_path / "queen" / "joining.json").write_text("{")
    with pytest.raises(CorruptStore):
        make_office()


async def test_nothing_is_handed_out_that_is_not_on_disk(office: Office, tmp_path: Path) -> None:
    key = make_key()
    token = await _token(office)
    path = tmp_path / "queen" / "joining.json"
    path.unlink()
    path.mkdir()
    (path / "in-the-way").touch()
    with pytest.raises(StorageError):
        await office.join(_asks(key, token=token), HERE)
    (path / "in-the-way").unlink()
    path.rmdir()
    assert (await office.join(_asks(key, token=token), HERE)).status == "joined"
    assert "lab-2" in path.read_text()


async def test_a_forgotten_hive_is_out_and_its_name_is_free(
    office: Office, make_office: Callable[[], Office]
) -> None:
    shown = _shown(await office.join(_asks(make_key(), token=await _token(office)), HERE))
    told: list[str] = []
    office.on_revoked.append(told.append)
    assert await office.forget("lab-2", "ann")
    assert not await office.forget("lab-2", "ann")
    assert told == ["lab-2"]
    for desk in (office, make_office()):
        assert not desk.accepts(shown)
        assert desk.members() == []
    again = await office.join(_asks(make_key(), token=await _token(office)), HERE)
    assert again.status == "joined"
