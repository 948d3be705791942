"""Keys, the CA, certificates, requests and identities on disk."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from rbee.errors import InvalidRequest, StorageError
from rbee.foundation.identity import folder as identities
from rbee.foundation.identity.authority import (
    LIFETIME_S,
    SKEW_S,
    Authority,
    make_authority,
    membership_of,
    open_authority,
)
from rbee.foundation.identity.keys import key_fingerprint, make_key, pairing_code
from rbee.foundation.identity.peers import QUEEN_NAME, hive_name, peer_in, peer_of
from rbee.foundation.identity.requests import REQUEST_CHARS_MAX, make_request, public_key_in

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority(NOW)[0]


def _der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def test_a_hives_certificate_names_it_and_lasts_thirty_days(authority: Authority) -> None:
    key = make_key()
    peer = peer_of(_der(authority.issue_hive(key.public_key(), "lab-2", NOW)))
    assert peer is not None
    assert (peer.role, peer.id) == ("hive", "lab-2")
    assert peer.not_before == NOW - SKEW_S
    assert peer.not_after == NOW + LIFETIME_S
    assert len(peer.fingerprint) == 64
    assert peer.key_fingerprint == key_fingerprint(key.public_key())


def test_a_membership_stands_in_the_number_of_the_certificate(authority: Authority) -> None:
    numbers: set[int] = set()
    for membership in (1, 2**64 - 1):
        for _ in range(2):
            pem = authority.issue_hive(make_key().public_key(), "a", NOW, membership)
            number = x509.load_pem_x509_certificate(pem).serial_number
            assert membership_of(number) == membership
            assert 0 < number < 2**159
            numbers.add(number)
    assert len(numbers) == 4


def test_no_certificate_outlives_its_ca(authority: Authority) -> None:
    late = authority.certificate.not_valid_after_utc.timestamp() - 100
    peer = peer_of(_der(authority.issue_queen_client(make_key().public_key(), late)))
    assert peer is not None
    assert (peer.role, peer.not_after) == ("queen", late + 100)


@pytest.mark.parametrize("der", [None, b"", b"\x30\x03\x02\x01\x01", b"x" * 5000])
def test_what_is_no_certificate_names_nobody(der: bytes | None) -> None:
    assert peer_of(der) is None


@pytest.mark.parametrize(
    "uris",
    [
        [],
        ["rbee://hive/a", "rbee://queen"],
        ["rbee://hive/a", "rbee://hive/b"],
        ["rbee://hive/"],
        ["rbee://hive/a/b"],
        ["rbee://hive/a%2e"],
        ["rbee://hive/localhost"],
        ["rbee://hive/" + "a" * 65],
        ["https://hive/a"],
        ["rbee://queen/"],
    ],
)
def test_odd_names_name_nobody(uris: list[str]) -> None:
    key = make_key()
    name = x509.Name([])
    names = [x509.UniformResourceIdentifier(uri) for uri in uris]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_when(NOW))
        .not_valid_after(_when(NOW + 5))
        .add_extension(x509.SubjectAlternativeName([*names, x509.DNSName("x")]), critical=False)
        .sign(key, SHA256())
    )
    assert peer_in(certificate) is None


def _when(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def test_a_request_proves_its_key_and_its_names_do_not_count(authority: Authority) -> None:
    key = make_key()
    found = public_key_in(make_request(key, "somebody-else"))
    assert key_fingerprint(found) == key_fingerprint(key.public_key())
    peer = peer_of(_der(authority.issue_hive(found, "lab-2", NOW)))
    assert peer is not None
    assert peer.id == "lab-2"


def test_requests_of_other_kinds_are_refused() -> None:
    def request(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()

    good = make_request(make_key(), "a")
    swapped = good.replace(good.splitlines()[2], "A" * len(good.splitlines()[2]))
    for text in (
        "",
        "x",
        "é" * 10,
        good[:-60],
        swapped,
        "a" * (REQUEST_CHARS_MAX + 1),
        request(ec.generate_private_key(ec.SECP384R1())),
        request(rsa.generate_private_key(65537, 2048)),
    ):
        with pytest.raises(InvalidRequest):
            public_key_in(text)


def test_a_ca_is_made_once_and_a_damaged_one_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    first = open_authority(folder, NOW)
    assert open_authority(folder, NOW + 5).fingerprint == first.fingerprint
    assert (folder / "key.pem").stat().st_mode & 0o077 == 0
    (folder / "key.pem").write_bytes(b"damaged")
    with pytest.raises(StorageError, match="damaged"):
        open_authority(folder, NOW)
    (folder / "key.pem").unlink()
    with pytest.raises(StorageError):
        open_authority(folder, NOW)


def test_an_identity_is_saved_renewed_and_forgotten(tmp_path: Path, authority: Authority) -> None:
    key = make_key()
    issued = authority.issue_hive(key.public_key(), "lab-2", NOW)
    saved = identities.save_identity(tmp_path, key, issued, authority.pem)
    assert saved == identities.load_identity(tmp_path)
    assert saved.ca_fingerprint == authority.fingerprint
    assert saved.key_file.stat().st_mode & 0o077 == 0
    assert not saved.due(NOW + 9.9 * 86_400)
    assert saved.due(NOW + 10.1 * 86_400)
    later = authority.issue_hive(key.public_key(), "lab-2", NOW + 86_400)
    assert identities.save_certificate(tmp_path, later).peer.not_after == NOW + 86_400 + LIFETIME_S
    identities.remove_identity(tmp_path)
    assert identities.load_identity(tmp_path) is None


def test_a_certificate_that_does_not_fit_changes_nothing(
    tmp_path: Path, authority: Authority
) -> None:
    key = make_key()
    saved = identities.save_identity(
        tmp_path, key, authority.issue_hive(key.public_key(), "a", NOW), authority.pem
    )
    other = make_authority(NOW)[0]
    for wrong in (
        other.issue_hive(key.public_key(), "a", NOW),  # another colony's
        authority.issue_hive(make_key().public_key(), "a", NOW),  # another key's
        b"nothing",
    ):
        with pytest.raises(StorageError):
            identities.save_certificate(tmp_path, wrong)
        assert identities.load_identity(tmp_path) == saved


def test_the_queens_own_identity_is_renewed_when_due_and_for_new_hosts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority
) -> None:
    monkeypatch.setenv("RBEE_DATA_DIR", str(tmp_path))
    hosts = ["Gaming-PC", "10.0.0.5", "fd00::1", "not a host" * 30]
    first = identities.queen_server_identity(authority, hosts, NOW)
    assert identities.queen_server_identity(authority, hosts, NOW + 60) == first
    moved = identities.queen_server_identity(authority, [*hosts, "10.0.0.6"], NOW + 60)
    assert moved.peer.fingerprint != first.peer.fingerprint
    due = identities.queen_server_identity(authority, hosts, NOW + 11 * 86_400)
    assert due.peer.not_after == NOW + 11 * 86_400 + LIFETIME_S
    client = identities.queen_client_identity(authority, NOW)
    assert client.peer.role == "queen"
    assert client == identities.queen_client_identity(authority, NOW)


def test_tls_proves_which_machine_answers(tmp_path: Path) -> None:
    authority = make_authority(_now())[0]
    key = make_key()
    hive = identities.save_identity(
        tmp_path, key, authority.issue_hive(key.public_key(), "Lab_2.x", _now()), authority.pem
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(hive.cert_file, hive.key_file)
    server.load_verify_locations(hive.ca_file)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(hive.ca_file))
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    client.load_cert_chain(hive.cert_file, hive.key_file)
    seen = _handshake(server, client, hive_name("Lab_2.x"))
    found = peer_of(seen)
    assert found is not None
    assert found.id == "Lab_2.x"
    for name in (hive_name("lab_2.x"), QUEEN_NAME):
        with pytest.raises(ssl.SSLCertVerificationError):
            _handshake(server, client, name)


def test_a_pairing_code_needs_both_ends() -> None:
    prints = ["00" * 32, "01" * 32, "02" * 32]
    codes = {pairing_code(ca, key) for ca in prints for key in prints}
    assert len(codes) == 9
    assert all(len(code) == 27 for code in codes)


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bytes | None:
    """Both ends in memory; the client's certificate as the server saw it."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(down, up, server_hostname=name)
    there = server.wrap_bio(up, down, server_side=True)
    for _ in range(6):
        for end in (here, there):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return there.getpeercert(binary_form=True)
