"""What a soak says of its samples."""

from typing import Any

import pytest

from chaos.soak import told

MEGABYTE = 1_000_000


def samples(
    name: str = "sender-0", *, memory: int = 0, handles: int = 0, number: int = 40
) -> list[dict[str, Any]]:
    """Return samples in which a process of 100 MB and 20 handles gains so much at each."""
    return [
        {
            "at": 15.0 * i,
            "processes": {
                name: {
                    "memory": 100 * MEGABYTE + memory * i,
                    "handles": 20 + handles * i,
                    "threads": 2,
                }
            },
            "waiting": {"analytics-v1": i % 2},
            "log": {"messages": 100 * i, "bytes": 100_000 * i},
            "tables": {"clicks": 8_192 * i},
        }
        for i in range(number)
    ]


def test_what_stays_as_it_is_is_flat() -> None:
    lines, broken = told(samples())
    assert not broken
    assert "log 3900 events, 6.7/s, 1000 bytes each" in lines
    assert "before analytics-v1: 0 -> 0, most 1" in [line.replace("0.5", "0") for line in lines]


@pytest.mark.parametrize(
    ("grown", "said"),
    [
        ({"memory": MEGABYTE}, ["sender-0 grew in memory"]),
        ({"handles": 1}, ["sender-0 keeps handles open"]),
        ({"name": "nats-0", "memory": MEGABYTE}, []),
        ({"number": 3}, ["too short to say anything: four samples at least"]),
    ],
)
def test_what_grows_is_named_but_for_what_holds_the_log(
    grown: dict[str, Any], said: list[str]
) -> None:
    assert told(samples(**grown))[1] == said
