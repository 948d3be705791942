"""What rbee stands on: declared, used, explained, and free for use under Apache-2.0."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from house.source import ROOT, SOURCE

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
EXTRAS = {
    canonicalize_name(Requirement(line).name)
    for lines in PROJECT["optional-dependencies"].values()
    for line in lines
}

# Declared and imported by name at run time only.
IMPORTED_LATE = {
    "xllamacpp": "tens of MB of native code, loaded by the worker that needs it",
    "nvidia-ml-py": "the hive imports pynvml when it looks for devices",
}

# Licences that let an Apache-2.0 program use the library. The copyleft of MPL-2.0 and EPL-2.0
# ends at the library's own files; that of the LGPL too for a library that is installed from the
# index, imported as it is, and may be replaced by its user.
ACCEPTED = re.compile(
    r"MIT(-0)?|MIT License|ISC|0BSD|BSD|BSD-[23]-Clause|BSD License|Apache-2\.0|Apache License.*|"
    r"Apache Software License|Apache 2\.0|PSF-2\.0|Python Software Foundation License|MPL-2\.0|"
    r"Mozilla Public License 2\.0.*|EPL-2\.0|LGPL-2\.1(-or-later)?|CC0-1\.0|Unlicense|Zlib|CNRI-Python",
    re.IGNORECASE,
)


def closure(names: set[str]) -> Iterator[metadata.Distribution]:
    """The distributions behind these names and all that they need here, once each."""
    pending, seen = list(names), set[str]()
    while pending:
        name = canonicalize_name(pending.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # an optional extra, or needed on another platform only
        yield found
        needs = [Requirement(line) for line in found.requires or []]
        pending += [n.name for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})]


def licences(found: metadata.Distribution) -> list[str]:
    """What a distribution says of its licence: an expression, else classifiers, else the field.

    Of alternatives we take the first that will do.
    """
    about = found.metadata
    if expression := about.get("License-Expression"):
        return _taken(expression)
    named = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier", []) if "License ::" in c]
    named = [name for name in named if name != "OSI Approved"]
    return named or _taken(about.get("License", "unknown").splitlines()[0].strip())


def _taken(expression: str) -> list[str]:
    choices = [_parts(choice) for choice in re.split(r"\s+OR\s+", expression)]
    return next((one for one in choices if all(map(ACCEPTED.fullmatch, one))), choices[0])


def _parts(expression: str) -> list[str]:
    return re.split(r"\s+AND\s+", expression.replace("(", "").replace(")", ""))


def test_licences_allow_our_own() -> None:
    found = {dist.metadata["Name"]: licences(dist) for dist in closure(DECLARED)}
    refused = {n: said for n, said in found.items() if not all(map(ACCEPTED.fullmatch, said))}
    assert len(found) > len(DECLARED)
    assert not refused


def imported() -> set[str]:
    """Top-level names that the code imports from outside."""
    names: set[str] = set()
    for module in SOURCE:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"rbee"}


def providers_of(top: str) -> set[str]:
    """The distributions behind a top-level name; of a shared one those that we declare."""
    found = metadata.packages_distributions().get(top, [f"({top})"])
    names = {canonicalize_name(name) for name in found}
    return names & (DECLARED | EXTRAS) or names


def test_what_is_imported_is_declared_and_the_reverse() -> None:
    used = {name for top in imported() for name in providers_of(top)}
    assert used - DECLARED - EXTRAS == set()
    assert DECLARED - used == set(IMPORTED_LATE)


def test_every_library_has_its_reason() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    explained = {canonicalize_name(name) for name in re.findall(r"`([\w.-]+)`", text)}
    assert DECLARED - explained == set()


def test_constraints_pin_everything_and_name_no_index() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    assert {canonicalize_name(pin.partition("==")[0]) for pin in pins} >= DECLARED
