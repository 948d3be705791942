"""Rate and eta of a download: pure over given times."""

from rbee.hive.models.rate import REPORT_INTERVAL_S, WINDOW_S, Rate


def test_unknown_until_there_are_two_moments() -> None:
    rate = Rate()
    rate.add(500, 10.0)
    progress = rate.progress(500, 1000, "download")
    assert (progress.rate_bytes_s, progress.eta_s) == (None, None)


def test_the_window_forgets_what_is_old() -> None:
    rate = Rate()
    for second in range(20):
        rate.add(second * 100, float(second))
    for second in range(20, 31):
        rate.add(2000 + (second - 20) * 10, float(second))
    progress = rate.progress(2100, 2200, "download")
    assert progress.rate_bytes_s == 10
    assert progress.eta_s == 10
    assert WINDOW_S == 5


def test_a_restart_from_nothing_is_no_negative_rate() -> None:
    rate = Rate()
    rate.add(1000, 0.0)
    rate.add(0, 1.0)
    rate.add(50, 2.0)
    assert rate.progress(50, None, "download").rate_bytes_s == 50


def test_reports_are_five_a_second_and_one_per_phase() -> None:
    rate = Rate()
    times = [n * 0.01 for n in range(101)]
    assert sum(rate.due("download", now) for now in times) <= 1 / REPORT_INTERVAL_S + 1
    assert rate.due("verify", 1.0)
    assert not rate.due("verify", 1.01)
