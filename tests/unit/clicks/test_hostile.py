"""Whatever arrives, nothing raises, and without a valid token nothing is recorded."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from clicks.domain.updates import Ignored, read
from contracts.events import Event

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["private", "/start", "XTR", "/start k1-a-0-b", 2**63, -(2**70), "1\r\n2"]),
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
    template = draw(
        st.sampled_from(
            [updates.tap(), updates.said("/start x"), updates.checkout(), updates.paid()]
        )
    )
    return draw(bent(template, JUNK))


async def recorded(story, update) -> list[Event]:
    await story.when(update)
    return story.log.events


@given(data=st.data())
@settings(max_examples=100, deadline=None)
async def test_bent_updates_never_raise_and_record_only_what_a_valid_token_says(
    fresh_story, updates, data
):
    story = fresh_story()
    update = data.draw(bent_updates(updates))

    events = await recorded(story, update)

    if story.token(0) not in json.dumps(update):
        assert events == []


@given(data=st.data())
@settings(max_examples=100, deadline=None)
async def test_updates_whose_token_is_replaced_record_nothing(fresh_story, updates, data):
    story = fresh_story()
    forged = data.draw(JUNK | st.from_regex(r"\Ak1-[0-9a-v]{26}-0-[A-Za-z0-9_-]{22}\Z"))
    make = data.draw(st.sampled_from([updates.tap, updates.checkout, updates.paid]))

    assert await recorded(story, make(forged)) == []
    assert await recorded(story, updates.said(f"/start {forged}")) == []


@given(JUNK)
@settings(max_examples=100, deadline=None)
def test_arbitrary_json_is_ignored(document):
    assert isinstance(read(document), Ignored)
