"""What each kind of update leads to: events in the log, and answers to the person."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.log import LogUnavailableError
from clicks.domain.decisions import GONE, HELLO, OFFER_GONE, THANKS
from contracts.campaign import BotCta, CallbackCta, CopyCta, DeepLinkCta, LinkCta, StarsOffer
from contracts.events import BotStarted, ConversionRecorded, CtaClicked
from contracts.examples import PROMO_DELIVERY, USER, example
from contracts.token import CtaRef, TokenSigner

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
STRANGER = TokenSigner({"k1": b"somebody else's secret"}).sign(CtaRef(PROMO_DELIVERY, 0))
WITHDRAWN = TokenSigner({"k9": b"a secret of the tests"}).sign(CtaRef(PROMO_DELIVERY, 0))
NOT_BELIEVED = ["", "nonsense", 17, None, ["k1"], STRANGER, WITHDRAWN]


def link_button(answer):
    return answer["reply_markup"]["inline_keyboard"][0][0]


async def test_a_tap_is_recorded_and_opens_the_bot_with_the_same_token(story, updates):
    answers = await story.when(updates.tap(story.token(0)))

    assert story.log.events == [
        example(CtaClicked, source_id="4382bf", message_id=42, clicked_at=NOW)
    ]
    link = f"https://t.me/guide_bot?start={story.token(0)}"
    assert answers == [
        {"method": "answerCallbackQuery", "callback_query_id": "4382bf", "url": link}
    ]


async def test_a_callback_cta_answers_with_its_text(story, updates):
    answers = await story.when(updates.tap(story.token(1)))

    assert [event.cta for event in story.log.events] == [1]
    assert (answers[0]["text"], answers[0]["show_alert"]) == ("We will write to you.", False)


async def test_a_callback_cta_may_answer_with_an_alert(story, updates):
    story.given_ctas(CallbackCta(kind="callback", label="Ask", answer="Yes", alert=True))

    assert (await story.when(updates.tap()))[0]["show_alert"] is True


async def test_a_tap_on_a_message_too_old_to_be_shown_still_counts(story, updates):
    await story.when(updates.tap(message=None))

    assert [event.message_id for event in story.log.events] == [None]


@pytest.mark.parametrize("token", NOT_BELIEVED)
async def test_a_tap_with_a_token_that_is_not_ours_is_refused(story, updates, token):
    answers = await story.when(updates.tap(token))

    assert story.log.events == []
    assert [answer["text"] for answer in answers] == [GONE]


async def test_a_tap_on_a_delivery_that_the_log_does_not_know_is_refused(story, updates):
    story.log.dues.clear()

    assert [answer["text"] for answer in await story.when(updates.tap())] == [GONE]
    assert story.log.events == []


async def test_a_tap_on_a_cta_that_the_variant_does_not_have_is_refused(story, updates):
    answers = await story.when(updates.tap(story.token(2)))

    assert [answer["text"] for answer in answers] == [GONE]
    assert story.log.events == []


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


async def test_a_copy_cta_hands_over_its_text_should_anybody_start_by_it(story, updates):
    story.given_ctas(CopyCta(kind="copy", label="Copy", copied="WINTER-26"))

    [answer] = await story.when(updates.said(f"/start {story.token(0)}"))

    assert answer["text"] == "WINTER-26"


async def test_a_link_cta_that_was_posted_as_a_deep_link_hands_over_its_target(story, updates):
    page = "https://example.org/guide"
    story.given_ctas(LinkCta(kind="link", label="Read", target=page))

    answers = await story.when(updates.said(f"/start {story.token(0)}"))

    assert link_button(answers[0]) == {"text": "Read", "url": page}
    assert [type(event) for event in story.log.events] == [BotStarted]


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

    assert [answer["text"] for answer in answers] == [HELLO]
    assert story.log.events == []


@pytest.mark.parametrize("text", ["hello", "/starting", "start", "", None, 5])
async def test_what_people_write_otherwise_is_ignored(story, updates, text):
    assert await story.when(updates.said(text)) == []
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

    assert [(answer["ok"], answer["error_message"]) for answer in answers] == [(False, OFFER_GONE)]


async def test_a_checkout_for_a_cta_without_an_offer_is_stopped(story, updates):
    assert (await story.when(updates.checkout(story.token(1))))[0]["ok"] is False


async def test_a_payment_is_recorded_with_what_earned_it_and_thanked_for(story, updates):
    answers = await story.when(updates.paid())

    assert story.log.events == [example(ConversionRecorded, source_id="stx-1", occurred_at=NOW)]
    assert [answer["text"] for answer in answers] == [THANKS]


async def test_a_payment_counts_even_where_its_delivery_is_not_found(story, updates):
    story.log.dues.clear()

    await story.when(updates.paid())

    assert [event.delivery for event in story.log.events] == [PROMO_DELIVERY]


@pytest.mark.parametrize("token", NOT_BELIEVED)
async def test_a_payment_of_somebody_else_s_invoice_is_not_ours_to_record(story, updates, token):
    assert await story.when(updates.paid(token)) == []
    assert story.log.events == []


async def test_nothing_is_answered_while_the_log_does_not_acknowledge(story, updates):
    story.log.away = True

    for update in (updates.tap(), updates.said(f"/start {story.token(0)}"), updates.paid()):
        with pytest.raises(LogUnavailableError):
            await story.when(update)


@pytest.mark.parametrize("unsafe", ["", "a b", "1\r\nNats-Rollup: all", "ä", "x" * 65, 5, None])
async def test_a_query_id_that_could_break_the_log_s_headers_is_not_read(story, updates, unsafe):
    assert await story.when(updates.tap(id=unsafe)) == []
    assert story.log.events == []


@pytest.mark.parametrize(
    ("method", "agent", "verdict"),
    [
        ("GET", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Safari/604.1", "human"),
        ("GET", "Mozilla/5.0 (Linux; Android 10; CUBOT X30) Chrome/120", "human"),
        ("HEAD", "Mozilla/5.0 (iPhone)", "robot"),
        ("GET", " ", "robot"),
        ("GET", "TelegramBot (like TwitterBot)", "robot"),
        ("GET", "Mozilla/5.0 (compatible; Googlebot/2.1)", "robot"),
    ],
)
async def test_followers_of_links_are_judged(story, method, agent, verdict):
    story.given_ctas(LinkCta(kind="link", label="Read", target="https://example.org/guide"))

    target = await story.handlers.link(story.token(0), method=method, user_agent=agent)

    assert target == "https://example.org/guide"
    assert [(e.verdict, e.via, e.user_id) for e in story.log.events] == [(verdict, "link", None)]


async def test_each_time_a_link_is_followed_is_a_click_of_its_own(story):
    story.given_ctas(LinkCta(kind="link", label="Read", target="https://example.org/guide"))

    for _ in range(2):
        await story.handlers.link(story.token(0), method="GET", user_agent="Mozilla/5.0")

    assert len({event.id for event in story.log.events}) == 2


@pytest.mark.parametrize("token", ["", "nonsense", STRANGER])
async def test_a_link_that_is_not_ours_leads_nowhere(story, token):
    assert await story.handlers.link(token, method="GET", user_agent="Mozilla/5.0") is None
    assert story.log.events == []


async def test_only_link_ctas_redirect(story):
    assert await story.handlers.link(story.token(0), method="GET", user_agent="x") is None
    assert story.log.events == []
