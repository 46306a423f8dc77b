"""The webhook's retry schedule, and parameters in every shape a client sends them."""

import pytest

from sandbox.forms import read_parameters
from sandbox.refusals import Refusal
from sandbox.webhooks import pause

BODY = (
    b'--xx\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n-100\r\n'
    b'--xx\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\x89PNG\r\n--x\r\n\x00\r\n--xx--\r\n"
)


def test_the_first_repeat_is_at_once_then_the_pauses_double_to_a_minute_or_two() -> None:
    assert [pause(n, 1.0, 0.0) for n in range(1, 8)] == [0, 2, 4, 8, 16, 32, 60]
    assert pause(500, 1.0, 1.0) == 120
    assert pause(3, 0.01, 0.5) == 0.04


def test_multipart_keeps_bytes() -> None:
    parameters = read_parameters("", 'multipart/form-data; boundary="xx"', BODY)

    assert parameters.integer("chat_id") == -100
    assert parameters.files["photo"].content == b"\x89PNG\r\n--x\r\n\x00"
    assert (parameters.files["photo"].name, parameters.files["photo"].content_type) == (
        "a.png", "image/png",
    )  # fmt: skip


def test_query_and_json_are_merged() -> None:
    parameters = read_parameters("a=1&b=x", "application/json; charset=utf-8", b'{"b": [1]}')

    assert parameters.json("b") == [1]
    assert parameters.integer("a") == 1


@pytest.mark.parametrize("body", [b"{", b"[]"])
def test_a_broken_body_is_the_callers_mistake(body: bytes) -> None:
    with pytest.raises(Refusal, match="Bad Request"):
        read_parameters("", "application/json", body)


@pytest.mark.parametrize("value", ["true", "True", "1", "yes"])
def test_booleans(value: str) -> None:
    assert read_parameters(f"flag={value}", "", b"").boolean("flag")
    assert not read_parameters("flag=no", "", b"").boolean("flag")
