"""What each kind of update leads to: events in the log, and answers to the person."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.log import LogUnavailableError
from clicks.domain.links import RULE_VERSION
from clicks.domain.words import ENGLISH
from clicks.metrics import REFUSED
from contracts.campaign import (
    BotCta,
    CallbackCta,
    CopyCta,
    DeepLinkCta,
    JoinCta,
    LinkCta,
    StarsOffer,
)
from contracts.events import BotStarted, CtaClicked
from contracts.examples import BOT, GUIDE_DELIVERY, PROMO_DELIVERY, USER, example
from contracts.token import CtaRef, TokenSigner

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
SIGNER = TokenSigner({"k1": b"a secret of the tests"})
STRANGER = TokenSigner({"k1": b"somebody else's secret"}).sign(CtaRef(PROMO_DELIVERY, 0))
WITHDRAWN = TokenSigner({"k9": b"a secret of the tests"}).sign(CtaRef(PROMO_DELIVERY, 0))
NO_TOKENS = ["", "nonsense", 17, None, ["k1"]]
NOT_BELIEVED = [*NO_TOKENS, STRANGER, WITHDRAWN]


def speaking(code):
    return {"from": {"id": USER, "language_code": code}}


def link_button(answer):
    return answer["reply_markup"]["inline_keyboard"][0][0]


async def test_a_tap_is_recorded_and_opens_the_bot_with_the_same_token(story, updates):
    answers = await story.when(updates.tap(story.token(0)))

    assert story.log.events == [
        example(CtaClicked, source_id="4382bf", rule=RULE_VERSION, clicked_at=NOW)
    ]
    link = f"https://t.me/guide_bot?start={story.token(0)}"
    assert answers == [
        {"method": "answerCallbackQuery", "callback_query_id": "4382bf", "url": link}
    ]


async def test_a_second_tap_is_a_fact_of_its_own_and_opens_the_bot_again(story, updates):
    first = await story.when(updates.tap())
    second = await story.when(updates.tap(id="4382c0"))

    assert [event.source_id for event in story.log.events] == ["4382bf", "4382c0"]
    assert first[0]["url"] == second[0]["url"]
    # Telegram would answer a repeated tap by itself for so long, and nobody would count it.
    assert "cache_time" not in first[0]


async def test_a_callback_cta_answers_with_its_text(story, updates):
    answers = await story.when(updates.tap(story.token(1)))

    assert [event.cta for event in story.log.events] == [1]
    assert (answers[0]["text"], answers[0]["show_alert"]) == ("We will write to you.", False)


async def test_a_callback_cta_may_answer_with_an_alert(story, updates):
    story.given_ctas(CallbackCta(kind="callback", label="Ask", answer="Yes", alert=True))

    assert (await story.when(updates.tap()))[0]["show_alert"] is True


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("de", "Danke"),
        ("de-AT", "Danke"),
        ("DE_ch", "Danke"),
        ("pt-BR", "Thanks"),
        ("deu", "Thanks"),
        ("fil-PH", "Salamat"),
        ("filipino", "Thanks"),
        ("", "Thanks"),
        (None, "Thanks"),
        (["de"], "Thanks"),
    ],
)
async def test_a_callback_cta_answers_in_the_person_s_language(story, updates, code, answer):
    answers = {"de": "Danke", "fil": "Salamat"}
    story.given_ctas(CallbackCta(kind="callback", label="Ask", answer="Thanks", answers=answers))

    answers = await story.when(updates.tap(**speaking(code)))

    assert answers[0]["text"] == answer


async def test_a_tap_on_a_message_too_old_to_be_shown_still_counts(story, updates):
    await story.when(updates.tap(message=None))

    assert [event.message_id for event in story.log.events] == [None]


@pytest.mark.parametrize("token", NOT_BELIEVED)
async def test_a_tap_with_a_token_that_is_not_ours_is_refused(story, updates, token):
    answers = await story.when(updates.tap(token))

    assert story.log.events == []
    assert [answer["text"] for answer in answers] == [ENGLISH.gone]


async def test_a_tap_on_a_delivery_that_the_log_does_not_know_is_refused(story, updates):
    story.log.dues.clear()

    assert [answer["text"] for answer in await story.when(updates.tap())] == [ENGLISH.gone]
    assert story.log.events == []


async def test_a_tap_on_a_cta_that_the_variant_does_not_have_is_refused(story, updates):
    answers = await story.when(updates.tap(story.token(2)))

    assert [answer["text"] for answer in answers] == [ENGLISH.gone]
    assert story.log.events == []


LINK = LinkCta(kind="link", label="Read", target="https://example.org/guide")
DEEP_LINK = DeepLinkCta(kind="deep_link", label="Ask", greeting="Hi")
JOIN = JoinCta(kind="join", label="Join", chat="-1005")
COPY = CopyCta(kind="copy", label="Copy", copied="WINTER-26")
CALLBACK = CallbackCta(kind="callback", label="Ask", answer="Yes")


@pytest.mark.parametrize("cta", [LINK, DEEP_LINK, JOIN, COPY], ids=lambda cta: cta.kind)
async def test_a_token_of_another_kind_of_button_in_a_callback_is_refused(story, updates, cta):
    story.given_ctas(cta)

    assert [answer["text"] for answer in await story.when(updates.tap())] == [ENGLISH.gone]
    assert story.log.events == []


@pytest.mark.parametrize("cta", [CALLBACK, COPY], ids=lambda cta: cta.kind)
async def test_a_start_with_the_token_of_a_button_that_opens_no_bot_is_refused(story, updates, cta):
    story.given_ctas(cta)

    answers = await story.when(updates.said(f"/start {story.token()}"))

    assert [answer["text"] for answer in answers] == [ENGLISH.hello]
    assert story.log.events == []


async def test_a_token_counts_only_at_the_bot_that_posted_it(story, updates):
    story.log.posted_by = BOT + 1

    tapped = await story.when(updates.tap())
    greeted = await story.when(updates.said(f"/start {story.token()}"))
    checked = await story.when(updates.checkout())

    assert story.log.events == []
    assert (tapped[0]["text"], greeted[0]["text"]) == (ENGLISH.gone, ENGLISH.hello)
    assert checked[0]["ok"] is False


async def test_where_the_log_names_no_bot_a_token_of_ours_counts(story, updates):
    story.log.posted_by = None

    await story.when(updates.tap())

    assert [type(event) for event in story.log.events] == [CtaClicked]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("nonsense", "malformed"),
        (STRANGER, "wrong_signature"),
        (WITHDRAWN, "unknown_key"),
        (SIGNER.sign(CtaRef(GUIDE_DELIVERY, 0)), "unknown_delivery"),
        (SIGNER.sign(CtaRef(PROMO_DELIVERY, 2)), "unknown_cta"),
        (SIGNER.sign(CtaRef(PROMO_DELIVERY, 1)), "other_use"),
    ],
)
async def test_what_is_refused_is_counted_by_its_reason(story, updates, token, reason):
    counter = REFUSED.labels(reason)
    before = counter._value.get()

    await story.when(updates.said(f"/start {token}"))

    assert counter._value.get() == before + 1


async def test_a_start_is_recorded_then_greeted_then_offered(story, updates):
    greeting, invoice = await story.when(updates.said(f"/start {story.token(0)}"))

    assert story.log.events == [example(BotStarted, update_id=8, started_at=NOW)]
    assert (greeting["chat_id"], greeting["text"]) == (USER, "Welcome! Premium is one tap away.")
    assert invoice == {
        "method": "sendInvoice",
        "chat_id": USER,
        "title": "Premium",
        "description": "30 days of signals",
        "payload": story.token(0),
        "provider_token": "",
        "currency": "XTR",
        "prices": [{"label": "Premium", "amount": 250}],
    }


async def test_a_greeting_without_an_offer_carries_its_target(story, updates):
    page = "https://example.org/plans"
    story.given_ctas(BotCta(kind="bot", label="Plans", greeting="Hi", target=page))

    answers = await story.when(updates.said(f"/start {story.token(0)}"))

    assert [answer["method"] for answer in answers] == ["sendMessage"]
    assert link_button(answers[0]) == {"text": "Plans", "url": page}


async def test_a_deep_link_is_greeted_and_offered_as_a_bot_cta_is(story, updates):
    offer = StarsOffer(title="Premium", description="30 days", stars=250)
    story.given_ctas(DeepLinkCta(kind="deep_link", label="Ask", greeting="Hi", offer=offer))

    greeting, invoice = await story.when(updates.said(f"/start {story.token(0)}"))

    assert [type(event) for event in story.log.events] == [BotStarted]
    assert (greeting["text"], invoice["payload"]) == ("Hi", story.token(0))
    [answer] = await story.when(updates.checkout(total_amount=250))
    assert answer["ok"] is True


async def test_a_link_cta_that_was_posted_as_a_deep_link_hands_over_its_target(story, updates):
    story.given_ctas(LINK)

    answers = await story.when(updates.said(f"/start {story.token(0)}"))

    assert answers[0]["text"] == ENGLISH.here_you_are
    # Not by a click id: a start was recorded, and no click.
    url = (
        "https://example.org/guide?utm_source=telegram&utm_medium=channel"
        f"&utm_campaign=promos&utm_content=premium&fp_cta={story.token()}"
    )
    assert link_button(answers[0]) == {"text": "Read", "url": url}
    assert [type(event) for event in story.log.events] == [BotStarted]


@pytest.mark.parametrize("kind", [BotCta, DeepLinkCta])
async def test_the_greeting_is_in_the_person_s_language(story, updates, kind):
    name = kind.model_fields["kind"].annotation.__args__[0]
    story.given_ctas(kind(kind=name, label="Ask", greeting="Hi", greetings={"de": "Hallo"}))

    texts = [
        (await story.when(updates.said(f"/start {story.token()}", **speaking(code))))[0]["text"]
        for code in ("de-DE", "fr")
    ]

    assert texts == ["Hallo", "Hi"]


async def test_a_start_from_a_forwarded_message_is_a_start_like_any_other(story, updates):
    story.given_ctas(DEEP_LINK)
    stranger = {"from": {"id": 42}, "chat": {"id": 42, "type": "private"}}

    answers = await story.when(updates.said(f"/start {story.token()}", **stranger))

    assert answers[0]["chat_id"] == 42
    assert [(type(event), event.user_id) for event in story.log.events] == [(BotStarted, 42)]


@pytest.mark.parametrize(
    "text",
    [
        "/start",
        "/start ",
        "/start@guide_bot",
        *map("/start {}".format, ["nonsense", STRANGER, f"{STRANGER} and more"]),
    ],
)
async def test_a_start_without_a_token_of_ours_gets_a_friendly_word(story, updates, text):
    answers = await story.when(updates.said(text))

    assert [answer["text"] for answer in answers] == [ENGLISH.hello]
    assert story.log.events == []


async def test_a_start_in_a_group_is_ignored(story, updates):
    group = updates.said(f"/start {story.token(0)}", chat_type="supergroup")

    assert await story.when(group) == []
    assert story.log.events == []


async def test_a_start_that_waited_out_an_outage_is_dated_by_telegram(story, updates):
    sent = NOW - timedelta(hours=3)
    update = updates.said(f"/start {story.token(0)}", date=int(sent.timestamp()))

    await story.when(update)

    assert [event.started_at for event in story.log.events] == [sent]


async def test_a_checkout_of_the_campaign_s_offer_may_go_on(story, updates):
    answers = await story.when(updates.checkout())

    assert answers == [
        {"method": "answerPreCheckoutQuery", "pre_checkout_query_id": "77", "ok": True}
    ]
    assert story.log.events == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"total_amount": 249},
        {"currency": "EUR"},
        {"invoice_payload": STRANGER},
        {"invoice_payload": "nonsense"},
        {"invoice_payload": None},
    ],
)
async def test_a_checkout_of_anything_else_is_stopped_with_a_reason(story, updates, wrong):
    answers = await story.when(updates.checkout(**wrong))

    assert [(answer["ok"], answer["error_message"]) for answer in answers] == [
        (False, ENGLISH.offer_gone)
    ]


async def test_a_checkout_for_a_cta_without_an_offer_is_stopped(story, updates):
    assert (await story.when(updates.checkout(story.token(1))))[0]["ok"] is False


async def test_nothing_is_answered_while_the_log_does_not_acknowledge(story, updates):
    story.log.away = True

    for update in (updates.tap(), updates.said(f"/start {story.token(0)}"), updates.paid()):
        with pytest.raises(LogUnavailableError):
            await story.when(update)


@pytest.mark.parametrize("unsafe", ["", "a b", "1\r\nNats-Rollup: all", "ä", "x" * 65, 5, None])
async def test_a_query_id_that_could_break_the_log_s_headers_is_not_read(story, updates, unsafe):
    assert await story.when(updates.tap(id=unsafe)) == []
    assert story.log.events == []
