"""A laptop and a colony elsewhere: first contact, keys, networks that are trusted or not."""

import ssl
from pathlib import Path

import pytest

from rbee.foundation.http.tls import QUEEN, colony_context
from rbee.foundation.trust import fingerprint_of
from rbee.testing.certificates import Certificates
from rbee.testing.hosts import Daemon, Lan

pytestmark = pytest.mark.system

KEY = "the-colonys-key-0123456789-abcdef"
ANY = "0.0.0.0"  # noqa: S104  a host of the test


def test_a_laptop_logs_in_once_and_is_in(lan: Lan) -> None:
    machine, laptop = lan.host("queen"), lan.host("laptop")
    queen = Daemon(machine, "queen", key=KEY, bind=ANY).start()
    unknown = laptop.rbee(
        "status", "--queen", "https://queen:7833", env={"RBEE_API_KEY": KEY}, check=False
    )
    assert unknown.returncode == 1
    assert "rbee login" in unknown.stderr
    there = fingerprint_of((queen.data / "queen" / "ca" / "cert.pem").read_text())
    asked = laptop.rbee("login", "queen", check=False)
    assert asked.returncode == 2
    assert there in asked.stderr

    other = laptop.rbee(
        "login", "queen", "--fingerprint", "ab" * 32, "--key", "-", input=KEY, check=False
    )
    assert other.returncode == 2
    wrong = laptop.rbee(
        "login", "queen", "--fingerprint", there, "--key", "-", input="no", check=False
    )
    assert "refuses this key" in wrong.stderr
    done = laptop.rbee(
        "login", "queen", "--fingerprint", there, "--key", "-", input=KEY, check=False
    )
    assert done.returncode == 0, done.stderr
    status = laptop.rbee("status", "--json", check=False)
    assert status.returncode == 0, status.stderr
    doctor = machine.rbee("doctor", env={"RBEE_API_KEY": KEY, "RBEE_QUEEN_BIND": ANY}, check=False)
    assert there[:8] in doctor.stdout
    laptop.rbee("logout")
    assert KEY not in "".join(
        path.read_text(errors="replace")
        for path in (laptop.home / ".config" / "rbee").rglob("*")
        if path.is_file()
    )


def test_plain_http_is_for_trusted_networks(lan: Lan) -> None:
    machine, inside = lan.host("queen"), lan.host("inside")
    outside = lan.host("outside")
    Daemon(machine, "queen", key=KEY, bind=ANY, trusted_networks=f"{inside.address}/32").start()
    url = f"http://{machine.address}:7833"
    assert inside.ask(f"{url}/v1/info", key=KEY).status_code == 200
    assert machine.ask(f"{url}/v1/info", key=KEY).status_code == 200
    refused = outside.ask(f"{url}/v1/info", key=KEY)
    assert (refused.status_code, refused.json()["code"]) == (403, "tls_required")
    said = outside.rbee("status", "--queen", url, env={"RBEE_API_KEY": KEY}, check=False)
    assert said.returncode == 1
    assert "https://" in said.stderr


def test_a_given_certificate_is_for_the_public(lan: Lan, tmp_path: Path) -> None:
    machine, laptop = lan.host("queen"), lan.host("laptop")
    bought = Certificates(tmp_path / "bought").server(hosts=("queen", machine.address))
    assert bought.ca is not None
    for name, path in (("cert.pem", bought.cert), ("key.pem", bought.key)):
        machine.path(f"/etc/{name}").write_bytes(path.read_bytes())
    queen = Daemon(
        machine, "queen", key=KEY, bind=ANY, tls_cert="/etc/cert.pem", tls_key="/etc/key.pem"
    ).start()
    laptop.path("/etc/bought.pem").write_bytes(bought.ca.read_bytes())
    env = {"RBEE_API_KEY": KEY, "RBEE_CA_FILE": "/etc/bought.pem"}
    said = laptop.rbee("status", "--queen", "https://queen:7833", env=env, check=False)
    assert said.returncode == 0, said.stderr
    own = queen.data / "queen" / "ca" / "cert.pem"
    with laptop.network():
        context: ssl.SSLContext = colony_context(own, expects=QUEEN)
        shown = ssl.get_server_certificate((machine.address, 7833))
    assert context.cert_store_stats()["x509_ca"] == 1
    assert shown.strip() in bought.cert.read_text()
