import pytest

from bench.counting.broker import Traffic, kind
from bench.counting.counts import Count


def test_a_count_without_a_least_is_exact() -> None:
    assert Count("publishes", 1, "publishes", 1).kept
    assert not Count("publishes", 0.99, "publishes", 1).kept
    assert not Count("publishes", 1.01, "publishes", 1).kept


def test_a_count_with_bounds_keeps_them() -> None:
    assert Count("pulls", 0.3, "requests", 2.5, 0).kept
    assert not Count("pulls", 2.6, "requests", 2.5, 0).kept


def test_a_row_says_whether_the_count_was_kept() -> None:
    exact = Count("publishes", 2, "publishes", 1).row()

    assert (exact.aim, exact.reached) == ("= 1 publishes", False)
    assert Count("pulls", 1, "requests", 2, 0).row().aim == "<= 2 requests"


@pytest.mark.parametrize(
    ("subject", "reply", "said"),
    [
        ("cta.clicked.7000000001", "_INBOX.a", "cta.clicked"),
        ("$JS.API.DIRECT.GET.EVENTS.message.sent.x", "_INBOX.a", "read"),
        ("$JS.API.STREAM.MSG.GET.EVENTS", "_INBOX.a", "read"),
        ("$JS.API.CONSUMER.MSG.NEXT.EVENTS.sender-promo", "_INBOX.a", "pull"),
        ("$JS.API.STREAM.INFO.EVENTS", "_INBOX.a", "other request"),
        ("$JS.ACK.EVENTS.sender-promo.1.2.3.4.5", "", "ack"),
        ("$KV.sender_lease.42", "_INBOX.a", "renewal"),
    ],
)
def test_what_a_client_sent_is_named(subject: str, reply: str, said: str) -> None:
    assert kind(subject, reply) == said


def test_what_the_server_sent_is_not_counted() -> None:
    assert kind("_INBOX.a.b", "") == ""
    assert kind("$JS.EVENT.ADVISORY.API", "") == ""
    assert kind("promo.due.x", "$JS.ACK.EVENTS.sender-promo.1.2.3.4.5") == ""


def test_what_came_before_does_not_count() -> None:
    before, after = Traffic(), Traffic()
    before.sent["clicks-0"] = 5
    after.sent["clicks-0"] = 12
    after.kinds["ack"] = 3

    found = after.since(before)

    assert (found.sent["clicks-0"], found.kinds["ack"], found.kinds["read"]) == (7, 3, 0)
