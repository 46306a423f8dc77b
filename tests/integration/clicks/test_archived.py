"""A button works as long as its post stands, wherever the story of that post is kept."""

from typing import Any

from analytics.domain.sealing import SEALED
from chassis.topology import Moved, move_out, note_moved
from contracts.events import CtaClicked, MessageClaimed, MessageSent
from contracts.examples import example
from contracts.streams import EVENTS

from .test_webhook import paid, tap


async def test_a_tap_on_a_post_that_was_moved_to_the_archive_is_answered_and_counted(
    stage: Any, dues: Any, nats_url: str, run_here: Any
) -> None:
    await dues.say(example(MessageClaimed), example(MessageSent))
    through = (await dues.js.stream_info(EVENTS.name)).state.last_seq
    await note_moved(dues.js, EVENTS, Moved("archive", through))
    await move_out(dues.js, EVENTS, SEALED, through=through)
    assert await dues.events(MessageClaimed) == []
    async with run_here(stage.webhook_environment(nats_url, 1)) as edge:
        await edge.ready()

        response = await edge.post(tap(stage.promo_token(1)))
        await edge.post(paid(stage.promo_token()))

    assert response.json()["text"] == "We will write to you."
    assert len(await dues.events(CtaClicked)) == 1
