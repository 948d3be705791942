"""``rbee doctor``: look for what is wrong here, and say what to do about it."""

from cyclopts import App

from rbee.errors import BadSettings
from rbee.foundation.announcements import Room
from rbee.keeper.cli.frame import examples
from rbee.keeper.cli.options import HiveFlag, JsonFlag, QueenFlag
from rbee.keeper.doctor import checks, facts, safety, safety_facts
from rbee.keeper.doctor.checks import Finding
from rbee.keeper.screen import Live, note, out, out_json

doctor_app = App(
    name="doctor",
    help_epilogue=examples("rbee doctor", "rbee doctor --hive http://gaming-pc:7835 --json"),
)

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@doctor_app.default
async def doctor(*, json: JsonFlag = False, hive: HiveFlag = None, queen: QueenFlag = None) -> int:
    """Look for what is wrong here, and say what to do; exit code 1 when something fails."""
    with Live(quiet=json) as live:
        findings = await examine(live, hive=hive, queen=queen)
    if json:
        out_json(findings)
    else:
        for finding in findings:
            out(finding_text(finding))
    failed = sum(1 for finding in findings if finding.result == "fail")
    if failed and not json:
        note(f"{failed} of {len(findings)} checks failed.")
    return 1 if failed else 0


async def examine(live: Live, *, hive: str | None, queen: str | None) -> list[Finding]:
    """Look at everything; gives the findings in the order in which to mend them."""
    live.say("trying the engine")
    findings = [checks.check_engine(await facts.look_at_engine())]
    live.say("looking at ports, disks and daemons")
    try:
        findings += await _examine_daemons(hive=hive, queen=queen)
    except BadSettings as error:  # nobody can say then where the daemons should be
        findings.append(
            Finding(check="settings", result="fail", message=error.message, remedy=error.remedy)
        )
    return findings


async def _examine_daemons(*, hive: str | None, queen: str | None) -> list[Finding]:
    findings = [
        checks.check_port(await facts.look_at_port("queen")),
        checks.check_port(await facts.look_at_port("hive")),
    ]
    findings += [checks.check_folder(folder) for folder in facts.look_at_folders()]
    findings += _examine_safety()
    queen_facts = await facts.look_at_room("queen", queen)
    hive_facts = await facts.look_at_room("hive", hive)
    findings += [checks.check_room(queen_facts), checks.check_room(hive_facts)]
    joined = checks.check_join(queen_facts, hive_facts, await facts.look_at_hive_ids(queen_facts))
    engines = checks.check_engines(await facts.look_at_engines(hive_facts))
    return findings + [finding for finding in (engines, joined) if finding is not None]


def _examine_safety() -> list[Finding]:
    rooms: tuple[Room, ...] = ("queen", "hive")
    findings = [
        finding for room in rooms for finding in safety.check_door(safety_facts.look_at_door(room))
    ]
    findings += [safety.check_ca(own) for own in safety_facts.look_at_cas()]
    return [*findings, safety.check_private(safety_facts.look_at_secrets())]


def finding_text(finding: Finding) -> str:
    """One finding, its remedy on a second line."""
    line = f"{_MARKS[finding.result]}  {finding.check}: {finding.message}"
    return f"{line}\n      → {finding.remedy}" if finding.remedy else line
