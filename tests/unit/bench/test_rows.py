import json
from pathlib import Path

from bench.rows import quantile, row, save, table


def test_a_row_holds_the_medians_and_compares_ours_with_the_floor() -> None:
    found = row("burst", [3.0, 9.0, 4.0], "s", floor=[2.0, 2.0, 5.0], peer=[8.0], times_floor=2)

    assert (found.value, found.floor, found.peer, found.ratio) == (4.0, 2.0, 8.0, 2.0)
    assert (found.aim, found.reached) == ("<= 2 x floor", True)


def test_an_aim_that_is_missed_is_said_to_be_missed() -> None:
    assert row("p99", [10.1], "ms", at_most=10).reached is False
    assert row("burst", [4.1], "s", floor=[2.0], times_floor=2).reached is False


def test_work_that_did_not_end_has_no_figure_and_misses_its_aim() -> None:
    found = row("to ready", [], "s", floor=[1.0], at_most=5)

    assert (found.value, found.ratio, found.reached) == (None, None, False)


def test_without_an_aim_nothing_is_reached_or_missed() -> None:
    assert row("memory", [100.0], "MB").reached is None


def test_a_quantile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 1001)]

    assert [quantile(values, share) for share in (0.5, 0.99, 1.0)] == [500, 990, 1000]
    assert quantile([7.0], 0.5) == 7


def test_the_table_names_every_column_and_marks_a_missed_aim() -> None:
    lines = table([row("p99", [12.0], "ms", floor=[3.0], at_most=10)]).splitlines()

    assert " ".join(lines[0].split()) == "name value unit floor peer ratio aim reached"
    assert " ".join(lines[1].split()) == "p99 12.00 ms 3.00 - 4.00 <= 10 ms NO"


def test_the_file_has_one_object_a_row(tmp_path: Path) -> None:
    file = tmp_path / "bench" / "scheduler.json"

    save([row("burst", [4.0], "s", floor=[2.0], times_floor=2)], file)

    assert json.loads(file.read_text()) == [
        {
            "name": "burst",
            "value": 4.0,
            "unit": "s",
            "floor": 2.0,
            "peer": None,
            "ratio": 2.0,
            "aim": "<= 2 x floor",
            "reached": True,
        }
    ]
