"""Full examples of how one comes in: keys, sign-in, hives that join. See ``samples``."""

import msgspec

from rbee.contracts import joining, keys

AT = 1_790_000_000.5

API_KEY = keys.ApiKey(
    id="key-1f2e3d4c",
    name="alice",
    hint="rbee_1a2b",
    scopes=["inference", "jobs"],
    models=["llama-*"],
    created_at=AT,
    created_by="colony",
    expires_at=AT,
    requests_per_min=60,
)
JOIN_TOKEN = joining.JoinTokenRow(
    id="0123456789ab", hive_ids=["hive-1"], created_at=AT, expires_at=AT + 3600, made_by="ann"
)
JOIN_REQUEST = joining.JoinRequestRow(
    hive_id="hive-1",
    code="ABCDEF-GHIJKL-MNOPQR-STUVWX",
    address="10.0.0.7",
    hostname="bee",
    version="0.4.0",
    asked_at=AT,
    seen_at=AT + 3,
)
MEMBER = joining.Member(
    hive_id="hive-1",
    membership="certificate",
    state="fresh",
    url="https://10.0.0.7:7835",
    hostname="bee",
    joined_at=AT,
    joined_by="token 0123456789ab",
    expires_at=AT + 2_592_000,
)

ENTRY_SAMPLES: list[msgspec.Struct] = [
    API_KEY,
    keys.KeyWish(name="alice", scopes=["inference", "jobs"], models=["llama-*"], expires_in_s=60.0),
    keys.KeyList(keys=[API_KEY]),
    keys.KeyMade(key="rbee_made-up", about=API_KEY),
    keys.KeyRevoked(id="key-1f2e3d4c", name="alice"),
    keys.SignIn(key="rbee_made-up"),
    keys.Session(
        name="alice", scopes=["inference"], models=[], csrf_token="made up", expires_at=AT
    ),
    keys.SignedOut(signed_out=True),
    joining.ColonyCa(certificate="-----BEGIN CERTIFICATE-----"),
    joining.JoinRequest(
        hive_id="hive-1",
        request="-----BEGIN CERTIFICATE REQUEST-----",
        token="a made-up token",
        hostname="bee",
        version="0.4.0",
    ),
    joining.JoinAnswer(
        status="pending",
        hive_id="hive-1",
        message="An operator has to approve this hive.",
        ca="-----BEGIN CERTIFICATE-----",
        code="ABCDEF-GHIJKL-MNOPQR-STUVWX",
        retry_s=3.0,
    ),
    joining.RenewRequest(request="-----BEGIN CERTIFICATE REQUEST-----"),
    joining.JoinTokenWish(hive_ids=["hive-1"], expires_s=600.0),
    joining.NewJoinToken(
        token="a made-up token",
        id="0123456789ab",
        hive_ids=["hive-1"],
        expires_at=AT,
        urls=["https://gaming-pc:7833"],
    ),
    JOIN_TOKEN,
    joining.JoinTokens(tokens=[JOIN_TOKEN]),
    JOIN_REQUEST,
    joining.JoinRequests(
        requests=[JOIN_REQUEST], ca_fingerprint="5f" * 32, urls=["https://10.0.0.2:7833"]
    ),
    joining.JoinDecision(code="ABCDEF-GHIJKL-MNOPQR-STUVWX"),
    MEMBER,
    joining.Members(hives=[MEMBER]),
    joining.MemberAck(status="approved", id="hive-1", message="Welcome."),
]
