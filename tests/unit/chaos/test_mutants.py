"""The mutations still fit the services: what each changes stands where it says, and compiles."""

from pathlib import Path

import pytest

from chaos.__main__ import ordered
from chaos.mutants import MUTATIONS, Mutation
from chaos.mutations import (
    ROOT,
    SOURCES,
    StaleError,
    changed,
    chosen,
    failing,
    noticed,
    row,
    row_of_chaos,
    settings_of,
)

PLACES = {source.name: source.parent for source in SOURCES}


def text_of(mutation: Mutation) -> str:
    package = mutation.file.partition("/")[0]
    return (PLACES[package] / mutation.file).read_text()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_can_be_made(mutation: Mutation) -> None:
    text = text_of(mutation)

    mutated = changed(mutation, text)

    assert mutated != text
    compile(mutated, mutation.file, "exec")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_who_is_to_notice_it_exists(mutation: Mutation) -> None:
    for test in mutation.tests:
        file, _, name = test.partition("::")

        assert f"def {name.partition('[')[0] or 'test_'}" in (ROOT / file).read_text()


def test_a_mutation_that_does_not_fit_any_more_says_so() -> None:
    stale = Mutation("stale", "sender/ledger.py", "3", (("no such words", ""),), ())

    with pytest.raises(StaleError, match=r"stale: sender/ledger\.py has 0 times: 'no such words'"):
        changed(stale, text_of(stale))


def test_every_service_has_mutations_and_no_two_a_name() -> None:
    packages = {mutation.file.partition("/")[0] for mutation in MUTATIONS}

    assert packages == set(PLACES)
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)


def test_who_noticed_is_read_from_what_pytest_prints(tmp_path: Path) -> None:
    test = tmp_path / "test_two.py"
    test.write_text("def test_well():\n    pass\n\ndef test_broken():\n    assert 0\n")

    noticed = failing(tmp_path, [str(test)])

    assert noticed is not None
    assert noticed.endswith("test_two.py::test_broken")
    assert failing(tmp_path, [f"{test}::test_well"]) is None


def test_a_row_names_who_noticed_and_says_where_there_is_nobody() -> None:
    mutation = MUTATIONS[0]

    assert row(mutation, "tests/unit/test_a.py::test_b").endswith("| test_a.py: test_b |")
    assert row(mutation, None).endswith("| nobody |")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_adversary_knows_what_it_is_to_do_to_it(mutation: Mutation) -> None:
    order = ordered(settings_of(mutation, {}))

    assert order.faults
    assert (order.seed, order.minutes) == (mutation.seed, mutation.minutes)


def test_what_is_asked_for_wins_over_what_a_mutation_wants() -> None:
    asked = {"SEED": "9", "FAULTS": "net", "MINUTES": ""}

    settings = settings_of(MUTATIONS[0], asked)

    assert (settings["SEED"], settings["FAULTS"]) == ("9", "net")
    assert float(settings["MINUTES"]) == MUTATIONS[0].minutes
    assert row_of_chaos(MUTATIONS[0], settings, "nobody").startswith(
        f"| {MUTATIONS[0].name} | net | 9 | "
    )


def test_mutations_are_chosen_by_a_part_of_their_names() -> None:
    assert [mutation.name for mutation in chosen(["without a claim", "early by"])] == [
        "scheduler: early by two seconds",
        "sender: sends without a claim",
    ]
    assert chosen([]) == list(MUTATIONS)
    with pytest.raises(ValueError, match="no mutation has 'nothing like it' in its name"):
        chosen(["claim", "nothing like it"])


@pytest.mark.parametrize(
    ("printed", "who"),
    [
        ("BROKEN invariant 3: x\nBROKEN invariant 2: y\nagain: make chaos", "invariant 2, 3"),
        ("1  holds\nagain: make chaos SEED=1", "nobody"),
        ("starting\na | b does not start\n", "nobody: no verdict: a / b does not start"),
        ("", "nobody: no verdict: it printed nothing"),
    ],
)
def test_who_noticed_is_read_from_what_a_run_prints(printed: str, who: str) -> None:
    assert noticed(printed) == who
