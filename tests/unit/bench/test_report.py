from pathlib import Path

from bench.report import Part, Report, load, save, text
from bench.rows import row

ORDER = ("scheduler", "sender", "clicks")


def part(name: str, *, value: float = 4.0, failure: str = "") -> Part:
    rows = () if failure else (row("burst", [value], "s", floor=[2.0], at_most=5),)
    return Part(name, rows, "2026-11-23 12:00+00:00", "abc1234", 61.0, 0.4, failure)


def test_a_part_that_is_measured_again_takes_its_old_place() -> None:
    report = Report("a machine", {}, (part("scheduler"), part("clicks", value=9)))

    report = report.having(part("clicks", value=3), ORDER).having(part("sender"), ORDER)

    assert [one.name for one in report.parts] == ["scheduler", "sender", "clicks"]
    assert report.parts[2].rows[0].value == 3


def test_the_text_counts_the_aims_and_names_what_missed_one() -> None:
    told = text(
        Report("a machine", {"python": "3.11"}, (part("scheduler"), part("clicks", value=9)))
    )

    assert told.startswith("a machine\npython 3.11\n")
    assert "1 of 2 aims reached\nmissed: clicks: burst\n" in told
    assert "scheduler: 2026-11-23 12:00+00:00, commit abc1234, 61 s\nname " in told


def test_a_part_that_failed_is_told_and_loses_no_other() -> None:
    report = Report("a machine", {}, (part("scheduler"), part("sender", failure="ended with 1")))

    assert report.failures == [report.parts[1]]
    assert "failed: sender: ended with 1" in text(report)
    assert "burst" in text(report)


def test_a_part_that_was_not_measured_is_named() -> None:
    told = text(Report("a machine", {}, (part("scheduler"),)), ORDER)

    assert "not measured: clicks, sender\n" in told


def test_what_was_measured_on_a_busy_machine_says_so() -> None:
    busy = Part("clicks", (row("taps", [1.0], "taps/s"),), "today", "abc", 1.0, 7.5)

    assert "on a loaded machine (7.5 programs a core)" in text(Report("a machine", {}, (busy,)))


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = Report(
        "a machine", {"python": "3.11"}, (part("scheduler"), part("sender", failure="x"))
    )
    file = tmp_path / "bench" / "bench.json"

    save(report, file)

    assert load(file) == report
    assert load(tmp_path / "nothing.json") == Report()
