"""What a delivery looks like: its text and its tracked buttons."""

from contracts.campaign import TEXT_LIMIT, Variant
from contracts.examples import GUIDE_VARIANT, PROMO_DELIVERY, PROMO_VARIANT
from contracts.token import CtaRef, TokenSigner
from sender.domain.content import Button, ButtonMaker
from sender.domain.looking import HIDDEN, mark_of

SIGNER = TokenSigner({"k1": b"0123456789abcdef"})


def maker(public_url: str | None = "https://clicks.example.org/") -> ButtonMaker:
    return ButtonMaker(SIGNER, "example_bot", public_url)


def test_callback_and_bot_buttons_carry_their_token_as_callback_data() -> None:
    content = maker().content(PROMO_VARIANT, PROMO_DELIVERY)

    assert [button.label for button in content.buttons] == ["Upgrade", "Remind me"]
    assert [SIGNER.verify(button.callback_data or "") for button in content.buttons] == [
        CtaRef(PROMO_DELIVERY, 0),
        CtaRef(PROMO_DELIVERY, 1),
    ]
    assert all(button.url is None for button in content.buttons)
    assert all(len(button.callback_data or "") <= 64 for button in content.buttons)


def test_a_link_leads_through_clicks_and_not_straight_to_its_target() -> None:
    token = SIGNER.sign(CtaRef(PROMO_DELIVERY, 0))

    (button,) = maker().content(GUIDE_VARIANT, PROMO_DELIVERY).buttons

    assert button == Button("Read the guide", url=f"https://clicks.example.org/r/{token}")


def test_a_link_without_a_public_address_leads_to_the_bot() -> None:
    token = SIGNER.sign(CtaRef(PROMO_DELIVERY, 0))

    (button,) = maker(None).content(GUIDE_VARIANT, PROMO_DELIVERY).buttons

    assert button.url == f"https://t.me/example_bot?start={token}"


def test_the_text_is_posted_as_it_was_written() -> None:
    text = "*not bold* <b>not bold</b> _1.5 %_ " + "x" * (TEXT_LIMIT - 40)

    content = maker().content(Variant(id="plain", text=text), PROMO_DELIVERY)

    assert content.text == HIDDEN + text
    assert content.buttons == ()


def test_every_message_carries_its_mark_where_there_is_room() -> None:
    content = maker().content(PROMO_VARIANT, PROMO_DELIVERY)
    full = maker().content(Variant(id="full", text="x" * TEXT_LIMIT), PROMO_DELIVERY)

    assert content.mark == mark_of(SIGNER, "example_bot", PROMO_DELIVERY)
    assert content.text.startswith(HIDDEN)
    assert (full.text, full.mark) == ("x" * TEXT_LIMIT, None)
