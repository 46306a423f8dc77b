"""Which updates of a batch wait for each other."""

from clicks.domain.turns import turns


def tap(person, number):
    return {"update_id": number, "callback_query": {"from": {"id": person}}}


def test_what_one_person_does_stays_in_its_order_and_waits_for_nobody_else():
    said = {"update_id": 4, "message": {"from": {"id": 1}}}

    assert turns([tap(1, 1), tap(2, 2), tap(1, 3), said]) == [
        [tap(1, 1), tap(1, 3), said],
        [tap(2, 2)],
    ]


def test_what_names_nobody_shares_a_line():
    nameless = [None, {}, {"update_id": 5}, {"update_id": 6, "poll": {"from": "x"}}, []]

    assert turns(nameless) == [nameless]
    assert turns([]) == []
