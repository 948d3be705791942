"""Everything that is compared: each a proxy in front of the same mock workers, on one CPU.

A candidate is started as its makers advise for this work: connections to the
workers kept, responses not buffered, one process, logs off, the routing that
costs it least. rbee runs as she always does: key, routing, queue and metrics on.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import peers
import psutil
from native_tools import MODEL, Mock, wait_answers
from peers import Absent
from rig import BenchWorker, running_queen

import rbee
from rbee.testing.workers import free_port

ASSEMBLED: Final = "assembled"
"""The model whose workers do not notice a caller who leaves (llama.cpp's truth)."""

KEY: Final = "sk-bench-" + secrets.token_hex(16)
"""Asked for by rbee and LiteLLM; the others look away. New for each run."""
START_WITHIN_S: Final = 120.0  # LiteLLM imports for half a minute on a busy core
STOP_WITHIN_S: Final = 5.0


class Candidate(NamedTuple):
    """A running proxy: where it listens, and the processes whose CPU and memory count."""

    name: str
    version: str
    port: int
    pids: Sequence[int]


Start: TypeAlias = Callable[[Mock, int, Path], "contextlib.AbstractContextManager[Candidate]"]


def start_all(
    names: Sequence[str], mock: Mock, cpu: int, stack: ExitStack
) -> tuple[list[Candidate], dict[str, str]]:
    """Start what is asked for; also the reasons why some are absent."""
    running: list[Candidate] = []
    absent: dict[str, str] = {}
    for name in names:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"bench-{name}-")))
        try:
            running.append(stack.enter_context(KNOWN[name](mock, cpu, home)))
        except (Absent, RuntimeError) as error:
            absent[name] = str(error)
    return running, absent


@contextmanager
def _direct(mock: Mock, _cpu: int, _home: Path) -> Generator[Candidate]:
    yield Candidate("direct", "", mock.ports[0], [])  # no proxy: nothing to weigh


@contextmanager
def _rbee(mock: Mock, cpu: int, home: Path) -> Generator[Candidate]:
    with running_queen(home, _workers(mock), key=KEY, cpu=cpu) as queen:
        yield Candidate("rbee", rbee.__version__, queen.port, [queen.process.pid])


@contextmanager
def _rbee_uvloop(mock: Mock, cpu: int, home: Path) -> Generator[Candidate]:
    try:
        loop = installed_version("uvloop")
    except ModuleNotFoundError:
        raise Absent("uvloop is not installed (rbee's extra `fast`)") from None
    with running_queen(home, _workers(mock), key=KEY, cpu=cpu, uvloop=True) as queen:
        about = f"{rbee.__version__}, uvloop {loop}"
        yield Candidate("rbee-uvloop", about, queen.port, [queen.process.pid])


def _workers(mock: Mock) -> list[BenchWorker]:
    raw = [BenchWorker(port, "worker-key", mock.pid, MODEL) for port in mock.ports]
    assembled = [worker._replace(model=ASSEMBLED, unary_cancel=False) for worker in raw]
    return [*raw, *assembled]


_NGINX = """
worker_processes 1; daemon off; user root; pid {home}/pid; error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fast;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  upstream workers {{ least_conn; {servers} keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    keepalive_requests 1000000000; client_body_buffer_size 64k;
    location / {{
      proxy_pass http://workers; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


@contextmanager
def _nginx(mock: Mock, cpu: int, home: Path) -> Generator[Candidate]:
    program = _debian("nginx", "nginx-light")
    port = free_port()
    servers = " ".join(f"server 127.0.0.1:{each};" for each in mock.ports)
    config = home / "nginx.conf"
    config.write_text(_NGINX.format(home=home, port=port, servers=servers), encoding="utf-8")
    argv = [program, "-p", str(home), "-c", str(config)]
    about = _said([program, "-v"]).rpartition("/")[2]
    with _started("nginx", about, argv, port, cpu, home) as candidate:
        yield candidate


_HAPROXY = """
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-keep-alive
  option http-no-delay
  option abortonclose
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
listen bench
  bind 127.0.0.1:{port} backlog 4096
  balance leastconn
{servers}
"""


@contextmanager
def _haproxy(mock: Mock, cpu: int, home: Path) -> Generator[Candidate]:
    program = _debian("haproxy", "haproxy")
    port = free_port()
    servers = "\n".join(f"  server w{each} 127.0.0.1:{each}" for each in mock.ports)
    config = home / "haproxy.cfg"
    config.write_text(_HAPROXY.format(port=port, servers=servers), encoding="utf-8")
    about = _said([program, "-v"]).partition("version ")[2].partition("-")[0]
    argv = [program, "-db", "-f", str(config)]
    with _started("haproxy", about, argv, port, cpu, home) as candidate:
        yield candidate


@contextmanager
def _router(name: str, mock: Mock, cpu: int, home: Path) -> Generator[Candidate]:
    port = free_port()
    argv = peers.command(name)
    if name == "sglang-router":
        argv.append("launch")
    urls = [f"http://127.0.0.1:{each}" for each in mock.ports]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--worker-urls", *urls]
    argv += ["--policy", "round_robin", "--max-concurrent-requests", "16384"]
    argv += ["--prometheus-port", str(free_port()), "--prometheus-host", "127.0.0.1"]
    argv += ["--log-level", "error"]
    with _started(name, peers.version(name), argv, port, cpu, home) as candidate:
        yield candidate


@contextmanager
def _sglang(mock: Mock, cpu: int, home: Path) -> Generator[Candidate]:
    with _router("sglang-router", mock, cpu, home) as candidate:
        yield candidate


@contextmanager
def _vllm(mock: Mock, cpu: int, home: Path) -> Generator[Candidate]:
    with _router("vllm-router", mock, cpu, home) as candidate:
        yield candidate


_LITELLM = """
model_list:
{models}
litellm_settings:
  telemetry: false
  set_verbose: false
  request_timeout: 600
general_settings:
  master_key: {key}
"""
_LITELLM_MODEL = """
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: http://127.0.0.1:{port}/v1
      api_key: worker-key
"""


@contextmanager
def _litellm(mock: Mock, cpu: int, home: Path) -> Generator[Candidate]:
    port = free_port()
    models = "".join(_LITELLM_MODEL.format(model=MODEL, port=each) for each in mock.ports)
    config = home / "config.yaml"
    config.write_text(_LITELLM.format(models=models, key=KEY), encoding="utf-8")
    argv = [*peers.command("litellm"), "--config", str(config), "--num_workers", "1"]
    argv += ["--host", "127.0.0.1", "--port", str(port)]
    path = "/health/liveliness"
    version = peers.version("litellm")
    with _started("litellm", version, argv, port, cpu, home, path) as candidate:
        yield candidate


@contextmanager
def _started(
    name: str,
    about: str,
    argv: Sequence[str],
    port: int,
    cpu: int,
    home: Path,
    path: str = "/health",
) -> Generator[Candidate]:
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": str(home)}
    log = home / "log"
    pinned = ["taskset", "-c", str(cpu), *argv]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            pinned,
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    try:
        try:
            wait_answers(f"http://127.0.0.1:{port}{path}", process, START_WITHIN_S)
        except RuntimeError as error:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise Absent(f"{name} did not start: {said[-1] if said else error}") from None
        whole = [
            process.pid,
            *(p.pid for p in psutil.Process(process.pid).children(recursive=True)),
        ]
        yield Candidate(name, about.strip(), port, whole)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):  # it ended by itself
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
    process.terminate()
    for each in psutil.wait_procs(family, timeout=STOP_WITHIN_S)[1]:
        with contextlib.suppress(psutil.Error):
            each.kill()
    process.wait()


def _debian(program: str, package: str) -> str:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Absent(f"{program} is not installed (on Debian and Ubuntu: apt install {package})")
    return found


def _said(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().partition("\n")[0]


KNOWN: Final[dict[str, Start]] = {
    "direct": _direct,
    "rbee": _rbee,
    "rbee-uvloop": _rbee_uvloop,
    "nginx": _nginx,
    "haproxy": _haproxy,
    "sglang-router": _sglang,
    "vllm-router": _vllm,
    "litellm": _litellm,
}
