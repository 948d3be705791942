"""Full examples of what the queen says about installing hives. See ``samples``."""

import msgspec

from rbee.contracts import installing, jobs

CARE_SAMPLES: list[msgspec.Struct] = [
    jobs.HiveInstall(
        host="me@gaming-pc:2222",
        fingerprint="SHA256:Zt7n0c9pYlO8m0bX5yq1m3k5r7t9v1x3z5B7D9F1H3J",
        name="gaming-pc",
        settings={"labels": "gpu"},
        queen_url="https://10.0.0.2:7833",
        unit="user",
        upgrade=True,
        dry_run=True,
    ),
    installing.HiveInstallState(
        enabled=False,
        public_key="ssh-ed25519 AAAA rbee@queen",
        reason="This queen has no SSH key of her own, so she logs in nowhere.",
        remedy="Make one.",
    ),
    installing.UnknownHost(
        host="gaming-pc", fingerprint="SHA256:Zt7n0c9pYlO8m0bX5yq1m3k5r7t9v1x3z5B7D9F1H3J"
    ),
]
