"""The words of the command line: what is no number, age or choice is refused before anything."""

from datetime import timedelta

import pytest

from analytics.console.arguments import parser
from chassis.console import UsageError


@pytest.mark.parametrize(
    "words",
    [
        "forget",
        "forget 0",
        "forget -5",
        "forget 7000000001.0",
        "forget 9223372036854775808",
        f"forget {'9' * 5_000}",
        "forget 5 --requested",
        "forget --older-than 400",
        "forget --older-than 0d",
        "forget --older-than 99999999d",
        "clicks --user 9223372036854775808",
        "clicks --limit 100001",
        "verify --version 1e3",
        "quarantine retry 9223372036854775808",
        "quarantine",
        "statu",
    ],
)
def test_what_makes_no_sense_is_refused_with_the_remedy(words: str) -> None:
    with pytest.raises(UsageError) as refused:
        parser().parse_args(words.split())

    assert "--help" in refused.value.remedy
    assert len(refused.value.problem) < 300


def test_ids_and_ages_are_read() -> None:
    assert parser().parse_args(["forget", "1", "9223372036854775807"]).people == [1, 2**63 - 1]
    asked = parser().parse_args(["forget", "--older-than", "400d"])
    assert asked.older_than == timedelta(days=400)
