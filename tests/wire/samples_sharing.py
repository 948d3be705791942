"""Full examples of what hives and the queen say about sharing models. See ``samples``."""

import msgspec

from rbee.contracts import jobs, models, sharing

_DIGEST = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_TICKET = "rbt1.hive-2.1790000600.5f0c0de5"
_MODEL = models.Model(id="starter", name="SmolLM2-135M-Instruct", size_bytes=98_362_432)

SHARING_SAMPLES: list[msgspec.Struct] = [
    jobs.ModelCopy(model="starter", from_hive="hive-1", to_hive="hive-2"),
    jobs.ModelPause(model="org/repo:m.gguf"),
    jobs.ModelResume(model="org/repo:m.gguf", hive_id="hive-2"),
    jobs.ModelCancel(model="org/repo:m.gguf"),
    jobs.WorkerRestart(worker_id="worker-1", force=True),
    models.Download(
        model="org/repo:m.gguf",
        name="m",
        state="paused",
        bytes=1_048_576,
        total=98_362_432,
        source="org/repo",
        since=1_790_000_000.5,
    ),
    sharing.ModelSeek(
        hive_id="hive-2",
        model="starter",
        sha256=_DIGEST,
        failed=["hive-3"],
        claim=True,
        have_bytes=1_048_576,
        size_bytes=98_362_432,
    ),
    sharing.ModelHolder(hive_id="hive-1", ticket=_TICKET, url="http://10.0.0.7:7835"),
    sharing.ModelSources(
        verdict="copy",
        model=_MODEL,
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        size_bytes=98_362_432,
        holders=[sharing.ModelHolder(hive_id="hive-1", ticket=_TICKET)],
    ),
    sharing.TicketAsk(model="starter", reader="hive-2"),
    sharing.ModelTicket(
        model=_MODEL,
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256=_DIGEST,
        size_bytes=98_362_432,
        ticket=_TICKET,
        expires_at=1_790_000_600.0,
    ),
]
