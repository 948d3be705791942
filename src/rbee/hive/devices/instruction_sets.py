"""Which instruction sets a CPU has, of those that decide how fast a model runs.

Pure reading of what the system says: /proc/cpuinfo on Linux, sysctl on macOS,
``IsProcessorFeaturePresent`` on Windows. Names are the makers'. Unknown is null;
an empty list means that the system told and none of these is there.
"""

from collections.abc import Callable, Iterable
from typing import Final

LINUX_FLAGS: Final = {  # the kernel's cpufeatures.h for x86, elf_hwcaps.rst for Arm
    "sse4_2": "SSE4.2",
    "avx": "AVX",
    "avx2": "AVX2",
    "fma": "FMA",
    "f16c": "F16C",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512F",
    "avx512bw": "AVX-512BW",
    "avx512vl": "AVX-512VL",
    "avx512_vnni": "AVX-512VNNI",
    "avx512_bf16": "AVX-512BF16",
    "amx_int8": "AMX-INT8",
    "amx_bf16": "AMX-BF16",
    "neon": "NEON",
    "asimd": "NEON",
    "asimddp": "DOTPROD",
    "i8mm": "I8MM",
    "bf16": "BF16",
    "sve": "SVE",
    "sve2": "SVE2",
    "sme": "SME",
}
_FLAG_LINES: Final = ("flags", "Features")  # x86 and Arm

MACOS_NAMES: Final = {
    "hw.optional.AdvSIMD": "NEON",
    "hw.optional.neon": "NEON",
    "hw.optional.arm.FEAT_DotProd": "DOTPROD",
    "hw.optional.arm.FEAT_I8MM": "I8MM",
    "hw.optional.arm.FEAT_BF16": "BF16",
    "hw.optional.arm.FEAT_SME": "SME",
    "hw.optional.sse4_2": "SSE4.2",
    "hw.optional.avx1_0": "AVX",
    "hw.optional.avx2_0": "AVX2",
    "hw.optional.fma": "FMA",
    "hw.optional.f16c": "F16C",
    "hw.optional.avx512f": "AVX-512F",
}

WINDOWS_FEATURES: Final = {  # winnt.h: PF_…_AVAILABLE
    19: "NEON",
    38: "SSE4.2",
    39: "AVX",
    40: "AVX2",
    41: "AVX-512F",
    43: "DOTPROD",
}


def from_cpuinfo(text: str) -> list[str] | None:
    """Of the first processor that /proc/cpuinfo lists; null when it lists no flags."""
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() in _FLAG_LINES:
            return _unique(LINUX_FLAGS[flag] for flag in value.split() if flag in LINUX_FLAGS)
    return None


def from_sysctl(ask: Callable[[str], str | None]) -> list[str] | None:
    """Of a Mac; ``ask`` gives a name's value, or None where there is no such name."""
    told = {name: ask(name) for name in MACOS_NAMES}
    if not any(told.values()):
        return None
    return _unique(MACOS_NAMES[name] for name, value in told.items() if value == "1")


def from_windows(present: Callable[[int], bool]) -> list[str] | None:
    """Of a Windows machine; ``present`` is the system's own question."""
    found = _unique(words for number, words in WINDOWS_FEATURES.items() if present(number))
    return found or None  # every machine that it runs on has one: none means it did not tell


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
