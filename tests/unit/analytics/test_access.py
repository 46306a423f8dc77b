"""Who may read the pages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from analytics.domain.access import Admitted, Asked, AskPassword, Refused, Rules, access
from analytics.domain.passwords import Password
from analytics.domain.throttle import Throttle

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ALL = "0.0.0.0"  # noqa: S104  the very thing that is refused
HERE = Rules(host="127.0.0.1")
EVERYWHERE = Rules(host=ALL)
PROXY = Rules(host=ALL, header="X-Forwarded-User", proxies=(ip_network("10.1.0.0/16"),))
LOCAL = Asked("127.0.0.1", "127.0.0.1:8080")
DISTANT = Asked("203.0.113.9", "fingerpost.example")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_without_a_login_the_pages_are_open_to_this_machine(host: str) -> None:
    assert access(Rules(host=host), LOCAL) == Admitted()


@pytest.mark.parametrize("host", [ALL, "::", "10.0.0.7", "", "fingerpost.example"])
def test_without_a_login_nobody_is_admitted_where_others_reach_the_port(host: str) -> None:
    decided = access(Rules(host=host), LOCAL)

    assert isinstance(decided, Refused)
    assert "FINGERPOST_LOGIN_PASSWORD" in decided.remedy


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST"])
def test_this_machine_has_names_of_its_own(host: str) -> None:
    assert access(HERE, replace(LOCAL, host=host)) == Admitted()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8080", ""])
def test_a_name_that_was_made_to_point_here_reads_nothing(host: str) -> None:
    assert isinstance(access(HERE, replace(LOCAL, host=host)), Refused)


def test_a_proxy_s_word_counts_from_its_address() -> None:
    said = Asked("10.1.2.3", "fingerpost.example", ["ann"])

    assert access(PROXY, said) == Admitted("ann")


@pytest.mark.parametrize(
    "asked",
    [
        Asked("203.0.113.9", "fingerpost.example", ["ann"]),
        Asked("10.1.2.3", "fingerpost.example"),
        Asked("10.1.2.3", "fingerpost.example", ["ann", "mallory"]),
        Asked("10.1.2.3", "fingerpost.example", [" "]),
        Asked("10.1.2.3", "fingerpost.example", ["a" * 300]),
        Asked(None, "fingerpost.example", ["ann"]),
        Asked("::1", "localhost", ["ann"]),
    ],
)
def test_nobody_else_s_word_does_and_an_ambiguous_one_neither(asked: Asked) -> None:
    assert isinstance(access(PROXY, asked), Refused)


def test_with_both_logins_whom_the_proxy_does_not_name_gives_the_password() -> None:
    both = replace(PROXY, password=True)

    assert access(both, Asked("10.1.2.3", "", ["ann"])) == Admitted("ann")
    assert access(both, DISTANT) == AskPassword()


def test_a_password_is_asked_of_this_machine_too() -> None:
    assert access(replace(HERE, password=True), LOCAL) == AskPassword()


def test_a_password_is_kept_as_a_hash_and_compared() -> None:
    kept = Password.of("ann", "correct horse battery", bytes(16))

    assert "horse" not in str(kept)
    assert Password.parse(str(kept)) == kept
    assert kept.matches("ann", "correct horse battery")
    assert not kept.matches("ann", "correct horse")
    assert not kept.matches("bob", "correct horse battery")


@pytest.mark.parametrize(
    "text", ["", "ann:secret", "ann:scrypt:zz:zz", ":scrypt:00:00", "ann:md5:00:00", "a:scrypt:0:0"]
)
def test_a_setting_of_another_form_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"python -m analytics\.password") as refused:
        Password.parse(text)

    assert "secret" not in str(refused.value)


def test_after_five_wrong_tries_an_address_waits_and_others_do_not() -> None:
    throttle = Throttle()
    for second in range(5):
        assert throttle.wait("here", NOW + timedelta(seconds=second)) is None
        throttle.wrong("here", NOW + timedelta(seconds=second))

    assert throttle.wait("here", NOW + timedelta(seconds=5)) == timedelta(seconds=55)
    assert throttle.wait("there", NOW) is None
    assert throttle.wait("here", NOW + timedelta(seconds=61)) is None


def test_a_right_password_forgets_the_wrong_ones() -> None:
    throttle = Throttle()
    for _ in range(5):
        throttle.wrong("here", NOW)

    throttle.right("here")

    assert throttle.wait("here", NOW) is None


def test_who_has_many_addresses_has_no_more_tries_than_others() -> None:
    throttle = Throttle()
    for number in range(5):
        throttle.wrong(f"2001:db8:0:7::{number:x}", NOW)

    assert throttle.wait("2001:db8:0:7:ffff::1", NOW)
    assert throttle.wait("2001:db8:0:8::1", NOW) is None
    for number in range(5):
        throttle.wrong(f"::ffff:10.0.0.{number}", NOW)
    assert throttle.wait("::ffff:10.0.0.1", NOW) is None


def test_however_many_try_the_throttle_does_not_grow() -> None:
    throttle = Throttle()
    for _ in range(5):
        throttle.wrong("here", NOW)
    for number in range(9_999):
        throttle.wrong(f"10.0.{number >> 8}.{number & 255}", NOW)
    assert throttle.wait("here", NOW)

    throttle.wrong("there", NOW)

    assert throttle.wait("here", NOW) is None
