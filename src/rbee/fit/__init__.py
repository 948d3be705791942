"""Does this model fit there? Pure: from its facts, its settings and what was measured.

It stands below the rooms because two of them ask: the queen when she places a
model, the hive before it starts one and when it chooses layers for GPUs. Facts
come from a GGUF header (``foundation.gguf``), room from telemetry; the answer is
numbers and a reason, never only yes or no.
"""

from rbee.fit.memory import Estimate, Measured, estimate, prefer_measured
from rbee.fit.offload import OffloadPlan, chosen_offload, judge_shares, plan_offload
from rbee.fit.settings import RunSettings, settings_key
from rbee.fit.verdict import DeviceMemory, Verdict, available_bytes, judge, told

__all__ = [
    "DeviceMemory",
    "Estimate",
    "Measured",
    "OffloadPlan",
    "RunSettings",
    "Verdict",
    "available_bytes",
    "chosen_offload",
    "estimate",
    "judge",
    "judge_shares",
    "plan_offload",
    "prefer_measured",
    "settings_key",
    "told",
]
