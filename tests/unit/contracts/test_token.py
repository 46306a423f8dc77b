"""A CTA token comes back as what was signed, and no other text ever does."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.examples import PROMO_DELIVERY
from contracts.token import TOKEN_LIMIT, CtaRef, InvalidTokenError, TokenSigner, has_shape

SECRET = b"a secret of sixteen bytes or more"
OTHER = b"another secret of more than sixteen"
REF = CtaRef(PROMO_DELIVERY, 1)
ALPHABET = string.ascii_letters + string.digits + "_-"

signer = TokenSigner({"k1": SECRET})
deliveries = st.from_regex(r"[0-9a-v]{26}", fullmatch=True)


@given(delivery=deliveries, cta=st.integers(0, 99))
def test_a_token_comes_back_as_what_was_signed(delivery: str, cta: int) -> None:
    ref = CtaRef(delivery, cta)

    assert signer.verify(signer.sign(ref)) == ref


def test_a_token_of_a_withdrawn_key_still_has_the_shape_of_one() -> None:
    token = TokenSigner({"k9": OTHER}).sign(REF)

    assert has_shape(token)
    assert not any(map(has_shape, ("", "order-1", f"{token}x", token.upper(), token[1:-1])))


def test_the_same_button_has_the_same_token_in_every_replica() -> None:
    assert TokenSigner({"k1": SECRET}).sign(REF) == signer.sign(REF)


def test_two_buttons_have_two_tokens() -> None:
    assert signer.sign(REF) != signer.sign(CtaRef(PROMO_DELIVERY, 2))


def test_the_longest_token_fits_callback_data_and_start_payload() -> None:
    token = TokenSigner({"zzzz": SECRET}).sign(CtaRef(PROMO_DELIVERY, 99))

    assert len(token) <= TOKEN_LIMIT == 64
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)


def test_every_change_of_a_single_character_is_refused() -> None:
    token = signer.sign(REF)
    changed = [
        token[:place] + character + token[place + 1 :]
        for place in range(len(token))
        for character in ALPHABET
        if character != token[place]
    ]

    believed = [text for text in changed if _verifies(signer, text)]

    assert believed == []


@pytest.mark.parametrize(
    "change", [str.upper, lambda t: t + "A", lambda t: t[:-1], lambda t: f" {t}"]
)
def test_a_longer_shorter_or_shouted_token_is_refused(change) -> None:  # type: ignore[no-untyped-def]
    assert not _verifies(signer, change(signer.sign(REF)))


def test_a_token_of_another_secret_is_refused() -> None:
    stranger = TokenSigner({"k1": OTHER})

    with pytest.raises(InvalidTokenError, match="wrong signature"):
        signer.verify(stranger.sign(REF))


def test_the_first_key_signs_and_every_key_verifies() -> None:
    before = signer.sign(REF)
    rotated = TokenSigner({"k2": OTHER, "k1": SECRET})

    assert rotated.sign(REF).startswith("k2-")
    assert rotated.verify(before) == REF


def test_a_withdrawn_key_verifies_nothing() -> None:
    with pytest.raises(InvalidTokenError, match="unknown key"):
        TokenSigner({"k2": OTHER}).verify(signer.sign(REF))


@given(st.text(max_size=80))
def test_arbitrary_text_is_refused(text: str) -> None:
    assert not _verifies(signer, text)


@given(st.from_regex(r"k1-[0-9a-v]{26}-[0-9]{1,2}-[A-Za-z0-9_-]{22}", fullmatch=True))
def test_a_guess_of_the_right_shape_is_refused(text: str) -> None:
    assert not _verifies(signer, text)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({}, "at least one CTA key"),
        ({"k1": b"short"}, "at least 16 bytes"),
        ({"": SECRET}, "1 to 4 of a-z0-9"),
        ({"a very long id": SECRET}, "1 to 4 of a-z0-9"),
        ({"k-1": SECRET}, "1 to 4 of a-z0-9"),
    ],
)
def test_unusable_keys_are_refused(keys: dict[str, bytes], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        TokenSigner(keys)


def test_a_secret_written_where_the_id_belongs_is_not_shown() -> None:
    with pytest.raises(ValueError, match="the id of CTA key 1") as caught:
        TokenSigner({SECRET.decode(): b"k1"})

    assert SECRET.decode() not in str(caught.value)


def _verifies(by: TokenSigner, text: str) -> bool:
    try:
        by.verify(text)
    except InvalidTokenError:
        return False
    return True
