"""Log files: their end, whole lines only, found by a worker's id or its beginning."""

from pathlib import Path

import anyio
import pytest

from rbee.errors import NotFound, WorkerNotFound
from rbee.keeper.log_files import daemon_log, show_log, worker_log
from rbee.testing.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RBEE_DATA_DIR", str(tmp_path))
    home = tmp_path / "hive" / "workers"
    for name in ("w-12", "w-123", "w-9"):
        (home / name).mkdir(parents=True)
        (home / name / "worker.log").write_text(f"{name}\n")
    return home


def test_a_worker_by_its_id_or_a_beginning_that_fits_one(workers: Path) -> None:
    assert worker_log("w-12") == workers / "w-12" / "worker.log"
    assert worker_log("w-9").parent.name == "w-9"
    with pytest.raises(WorkerNotFound, match="w-12, w-123, w-9"):
        worker_log("w-")
    with pytest.raises(WorkerNotFound, match="nobody"):
        worker_log("nobody")
    with pytest.raises(WorkerNotFound, match=r"\.\."):
        worker_log("..")


def test_a_daemon_without_a_log_says_where_it_would_be() -> None:
    with pytest.raises(NotFound, match=r"queen\.log"):
        daemon_log("queen")


async def test_the_last_whole_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)) + "unfinished")
    await show_log(log, lines=2, follow=False)
    assert capsys.readouterr().out == "line 98\nline 99\n"


async def test_following_goes_on_and_survives_a_rotation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "a.log"
    log.write_text("first line of the old file\nhalf")
    seen = ""

    def shown(text: str) -> bool:
        nonlocal seen
        seen += capsys.readouterr().out
        return text in seen

    async with anyio.create_task_group() as tasks:

        async def following() -> None:
            await show_log(log, lines=10, follow=True)

        tasks.start_soon(following)
        await until(lambda: shown("first line"))
        with log.open("a") as file:
            file.write(" is whole now\n")
        await until(lambda: shown("half is whole now\n"))
        log.replace(tmp_path / "a.log.1")
        log.write_text("new\n")
        await until(lambda: shown("new\n"))
        tasks.cancel_scope.cancel()
    assert seen.count("half") == 1
