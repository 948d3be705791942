"""A ticket opens one file to one hive for a while."""

import pytest

from rbee.contracts.sharing import reader_in
from rbee.errors import Forbidden
from rbee.hive.sharing.tickets import LIFETIME_S, Tickets

ONE, OTHER = "a" * 64, "b" * 64
NOW = 1_790_000_000.0


@pytest.mark.parametrize("reader", ["beta", "gaming-pc.lan", "a.b.1.2", "Bienenstock Süd", "%2E"])
def test_it_names_its_reader(reader: str) -> None:
    tickets = Tickets()
    ticket, ends = tickets.issue(ONE, reader, NOW)
    assert ends == NOW + LIFETIME_S
    assert ticket.isascii()
    assert reader_in(ticket) == reader
    assert tickets.reader_of(ticket, ONE, NOW + LIFETIME_S - 1) == reader


def test_it_ends() -> None:
    tickets = Tickets()
    ticket, ends = tickets.issue(ONE, "beta", NOW)
    with pytest.raises(Forbidden, match="over"):
        tickets.reader_of(ticket, ONE, ends)


def test_it_opens_no_other_file_and_no_other_hive() -> None:
    tickets = Tickets()
    ticket, _ = tickets.issue(ONE, "beta", NOW)
    with pytest.raises(Forbidden, match="this file"):
        tickets.reader_of(ticket, OTHER, NOW)
    with pytest.raises(Forbidden, match="this file"):
        Tickets().reader_of(ticket, ONE, NOW)


@pytest.mark.parametrize(
    "change", ["reader", "end", "seal", "prefix", "cut", "long", "dots", "int"]
)
def test_nobody_changes_it(change: str) -> None:
    tickets = Tickets()
    ticket, ends = tickets.issue(ONE, "beta", NOW)
    changed = {
        "reader": ticket.replace("beta", "gamma"),
        "end": ticket.replace(str(int(ends)), str(int(ends) + 9_999)),
        "seal": ticket[:-1] + ("0" if ticket[-1] != "0" else "1"),
        "prefix": ticket.replace("rbt1", "rbt2"),
        "cut": ticket.rsplit(".", 1)[0],
        "long": ticket + "0" * 5_000,
        "dots": "....",
        "int": "rbt1.beta.soon.00",
    }[change]
    with pytest.raises(Forbidden):
        tickets.reader_of(changed, ONE, NOW)
    for text in ("", "ü", "\x00"):
        with pytest.raises(Forbidden):
            tickets.reader_of(text, ONE, NOW)
