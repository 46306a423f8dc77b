"""Whatever arrives, nothing raises, and without a valid token nothing is recorded.

`EXAMPLES=100000 python -m pytest tests/unit/clicks/test_hostile.py` tries as many of each kind,
`SEED=2` another hundred thousand of spoilt updates.
"""

import copy
import json
import logging
import os
import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clicks.domain.links import Visit
from clicks.domain.updates import Ignored, read
from contracts.events import BotStarted, BotStopped, ConversionRecorded, CtaClicked, ForgetRequested
from contracts.examples import GUIDE_DELIVERY, PROMO_DELIVERY, USER
from contracts.token import CtaRef, TokenSigner

EXAMPLES = int(os.environ.get("EXAMPLES", "400"))
hostile = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TRACED = (CtaClicked, BotStarted)
WORDS = (BotStopped, ForgetRequested)

SIGNER = TokenSigner({"k1": b"a secret of the tests"})
STRANGER = TokenSigner({"k1": b"somebody else's secret"})
SHAPES = st.from_regex(r"\Ak[0-9]-[0-9a-v]{26}-[0-9]{1,2}-[A-Za-z0-9_-]{22}\Z")
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["private", "/start", "/stop", "/forget me", "XTR", "/start k1-a-0-b", "de", "\ud800"]
    )
    | st.sampled_from([2**63, -(2**70), 10**400, "1\r\n2", "\x00"])
    | SHAPES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def bent(template, leaf):
    """Any part of `template` kept, left out, or replaced by a value of `leaf`."""
    if isinstance(template, dict):
        fields = {name: bent(value, leaf) for name, value in template.items()}
        kept = st.fixed_dictionaries({}, optional=fields)
        return kept | leaf
    return st.just(template) | leaf


@st.composite
def bent_updates(draw, updates):
    said = draw(st.sampled_from(["/start x", "/stop", "/forget me", "hello"]))
    template = draw(
        st.sampled_from([updates.tap(), updates.said(said), updates.checkout(), updates.paid()])
    )
    return draw(bent(template, JUNK))


@st.composite
def edited(draw, token):
    """A valid token with one character replaced, added or left out, or signed by a stranger."""
    place = draw(st.integers(0, len(token) - 1))
    put = draw(st.text(st.sampled_from("0aZ_-. \n\x00é"), max_size=2))
    length = draw(st.integers(0, 1))
    changed = token[:place] + put + token[place + length :]
    ref = CtaRef(draw(st.sampled_from([PROMO_DELIVERY, GUIDE_DELIVERY])), draw(st.integers(0, 99)))
    return draw(st.sampled_from([changed, STRANGER.sign(ref)]))


async def recorded(story, update):
    await story.when(update)
    return story.log.events


def traced(events):
    """What is credited to a CTA of ours."""
    return [
        event
        for event in events
        if isinstance(event, TRACED)
        or (isinstance(event, ConversionRecorded) and event.delivery is not None)
    ]


@given(data=st.data())
@hostile
async def test_bent_updates_never_raise_and_record_only_what_a_valid_token_says(
    fresh_story, updates, data
):
    story = fresh_story()
    update = data.draw(bent_updates(updates))

    events = await recorded(story, update)

    if story.token(0) not in json.dumps(update):
        assert traced(events) == []
        assert all(isinstance(event, (*WORDS, ConversionRecorded)) for event in events)


@given(data=st.data())
@hostile
async def test_updates_whose_token_is_replaced_record_nothing(fresh_story, updates, data):
    story = fresh_story()
    forged = data.draw(JUNK | SHAPES | edited(story.token(0)))
    if forged == story.token(0):
        return
    make = data.draw(st.sampled_from([updates.tap, updates.checkout]))

    assert traced(await recorded(story, make(forged))) == []
    if str(forged).strip() != story.token(0):
        assert traced(await recorded(story, updates.said(f"/start {forged}"))) == []


@given(delivery=st.sampled_from([PROMO_DELIVERY, GUIDE_DELIVERY]), cta=st.integers(0, 99))
@hostile
async def test_a_valid_token_records_no_more_than_its_own_cta(fresh_story, updates, delivery, cta):
    story = fresh_story()
    token = SIGNER.sign(CtaRef(delivery, cta))

    for update in (updates.tap(token), updates.said(f"/start {token}")):
        await story.when(update)

    exists = delivery == PROMO_DELIVERY and cta < 2
    assert {(event.delivery, event.cta) for event in story.log.events} == (
        {(delivery, cta)} if exists else set()
    )


@given(token=st.text() | SHAPES, agent=st.text(max_size=256), ahead=st.booleans())
@hostile
async def test_links_that_are_not_ours_lead_nowhere_whoever_follows(
    fresh_story, token, agent, ahead
):
    story = fresh_story()

    assert await story.handlers.link(token, Visit(agent, ahead)) is None
    assert story.log.events == []


@given(JUNK)
@hostile
def test_arbitrary_json_is_ignored(document):
    assert isinstance(read(document), Ignored)


INPUTS = 100_000
PLANTS = (
    *(None, True, -1, 0, 2**63, -(2**70), 10**400, 1.5, float("nan"), "", " ", "\x00", "\ud800"),
    *("1\r\nNats-Rollup: all", "/start", "/stop", "/forget me", "private", "XTR", "x" * 5_000),
    *([], {}, [[]], {"id": 1}, {"id": "1"}, [{"update_id": 1}]),
)


def forgery(dice, token):
    """Return a token that nobody signed: edited, cut, grown, a stranger's, or none at all."""
    place, letter = dice.randrange(len(token)), dice.choice("0aZ_-.~ \n\x00é")
    ref = CtaRef(dice.choice([PROMO_DELIVERY, GUIDE_DELIVERY]), dice.randrange(100))
    forged = dice.choice(
        [
            token[:place] + letter + token[place + 1 :],
            token[:place] + token[place + 1 :],
            token[:place] + letter + token[place:],
            token[:place].upper() + token[place:].swapcase(),
            STRANGER.sign(ref),
            SIGNER.sign(ref).replace("k1-", "k2-"),
            dice.choice(PLANTS),
        ]
    )
    return "nonsense" if isinstance(forged, str) and forged.strip() == token else forged


def spoilt(dice, update):
    """Return `update` with up to three of its values left out, or replaced by what cannot be."""
    update = copy.deepcopy(update)
    for _ in range(dice.randrange(4)):
        node, path = update, []
        while isinstance(node, dict) and node and (not path or dice.random() < 0.7):
            path.append((node, dice.choice(list(node))))
            node = node[path[-1][1]]
        if not path:
            break
        parent, name = path[-1]
        if dice.random() < 0.3:
            del parent[name]
        else:
            parent[name] = dice.choice(PLANTS)
    return update


@pytest.mark.timeout(600)  # it takes a minute of a busy machine
async def test_a_hundred_thousand_hostile_updates_credit_nothing(fresh_story, updates, caplog):
    caplog.set_level(logging.CRITICAL)
    story, dice = fresh_story(), random.Random(int(os.environ.get("SEED", "1")))
    answers = Counter()
    for number in range(INPUTS):
        forged = forgery(dice, story.token(0))
        made = [
            updates.tap(forged),
            # Each by another person: one is not answered by more than so many messages.
            updates.said(f"/start {forged}", **{"from": {"id": USER + number}}),
            updates.checkout(forged),
            updates.paid(forged),
        ]
        for call in await story.when(spoilt(dice, dice.choice(made))):
            answers[call["method"]] += 1

    assert traced(story.log.events) == []
    # It was worth it: every answer was reached, and not only the first look at an update.
    assert set(answers) == {"answerCallbackQuery", "answerPreCheckoutQuery", "sendMessage"}
    assert min(answers.values()) > INPUTS / 20
