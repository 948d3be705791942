"""What the hive's telemetry costs: CPU share of one core with 16 workers and 8 devices.

A real colony: a queen, a hive with scripted workers that are asked for slots and
metrics each second, beats, and eight recorded NVIDIA devices with two processes
each in the place of the module ``pynvml``. So the driver's own time is not in
the figure; everything that rbee does is. The goal is under 2 % of a core.

    .venv/bin/python benchmarks/telemetry_cost.py [--workers 16] [--gpus 8] [--seconds 30]
"""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

import httpx2
import psutil

from rbee.testing.colony import Colony, DaemonUnderTest
from rbee.testing.waiting import until_now

ROOT = Path(__file__).parent.parent
RECORDING = ROOT / "tests" / "fixtures" / "devices" / "nvidia" / "nvml-h200.json"
GOAL_PCT = 2.0
SETTLE_S = 5.0  # loads, first beats and catalogues are over by then
SPAWN_WITHIN_S = 180.0  # sixteen interpreters start on a few cores

PYNVML = """
import json, os
from rbee.testing.devices import RecordedNvml
with open(os.environ["RECORDED_NVML"], encoding="utf-8") as file:
    _recorded = RecordedNvml(json.load(file))
NVMLError = RecordedNvml.NVMLError
def __getattr__(name):
    return getattr(_recorded, name)
"""


def recorded_machine(directory: Path, gpus: int) -> dict[str, str]:
    """Lay out ``pynvml`` with so many recorded GPUs; the environment that makes it found."""
    document = json.loads(RECORDING.read_text(encoding="utf-8"))
    one = json.dumps(document["gpus"][0])
    document["gpus"] = [json.loads(one) for _ in range(gpus)]
    for number, gpu in enumerate(document["gpus"]):
        answers = gpu["answers"]
        answers["nvmlDeviceGetUUID"] = f"GPU-00000000-0000-0000-0000-{number:012d}"
        running = answers["nvmlDeviceGetComputeRunningProcesses"]
        running[0]["pid"], running[1]["pid"] = os.getpid(), os.getppid()
    module = directory / "modules"
    module.mkdir()
    (module / "pynvml.py").write_text(PYNVML, encoding="utf-8")
    recording = directory / "nvml.json"
    recording.write_text(json.dumps(document), encoding="utf-8")
    return {"PYTHONPATH": str(module), "RECORDED_NVML": str(recording)}


def spawn(hive: DaemonUnderTest, workers: int) -> None:
    """Start so many scripted workers and wait until all are ready."""
    for number in range(workers):
        body = {"operation": "worker_spawn", "model": f"scripted-{number}", "slots": 1}
        httpx2.post(f"{hive.url}/v1/jobs", json=body, timeout=30).raise_for_status()

    def all_ready() -> bool:
        time.sleep(0.5)
        jobs = httpx2.get(f"{hive.url}/v1/jobs", timeout=30).json()["jobs"]
        states = [job["status"] for job in jobs]
        if "failed" in states:
            raise RuntimeError(f"a worker did not start:\n{hive.said}")
        return states.count("completed") == workers

    until_now(all_ready, within_s=SPAWN_WITHIN_S)


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def measure(workers: int, gpus: int, seconds: float) -> float:
    """CPU of the hive in percent of one core."""
    with tempfile.TemporaryDirectory(prefix="rbee-telemetry-") as name:
        directory = Path(name)
        extra = recorded_machine(directory, gpus)
        with Colony(directory / "colony") as colony:
            colony.queen()
            hive = colony.hive(start=False)
            hive.env |= extra
            hive.start()
            seen = httpx2.get(f"{hive.url}/v1/capabilities", timeout=30).json()
            cuda = [device for device in seen["devices"] if device["device_type"] == "cuda"]
            assert len(cuda) == gpus, seen["device_problems"]
            spawn(hive, workers)
            time.sleep(SETTLE_S)
            began_s, began_cpu_s = time.monotonic(), cpu_s(hive.pid)
            time.sleep(seconds)
            used_s = cpu_s(hive.pid) - began_cpu_s
            share = used_s / (time.monotonic() - began_s) * 100
            hive.stop()
    return share


def main() -> None:
    """Measure whole and in parts, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--parts", action="store_true", help="also with less of each")
    asked = parser.parse_args()
    whole = (asked.workers, asked.gpus)
    rows = [whole]
    if asked.parts:
        rows = [(0, 0), (0, asked.gpus), (asked.workers, 0), whole]
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    print("workers  gpus  hive's CPU, % of a core")
    for workers, gpus in rows:
        share = measure(workers, gpus, asked.seconds)
        verdict = ""
        if (workers, gpus) == whole:
            verdict = "  under the goal" if share < GOAL_PCT else f"  OVER the goal of {GOAL_PCT:g}"
        print(f"{workers:7d} {gpus:5d}  {share:.2f}{verdict}", flush=True)


if __name__ == "__main__":
    main()
