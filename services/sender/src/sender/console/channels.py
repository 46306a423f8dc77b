"""Where bots may post: what the log says of it, and a person's word, as an event."""

from collections import defaultdict
from collections.abc import Mapping

from chassis.clock import Clock
from chassis.console import RefusedError, UsageError
from chassis.log import Reader
from chassis.service import Connection
from contracts.events import ChannelDisabled, ChannelEnabled, ChannelMigrated
from contracts.ids import Channel
from contracts.subjects import CHANNELS, channel_of
from sender.console.answers import ChannelChanged, ChannelList, ChannelState, State
from sender.domain.channels import Chats

_PATIENCE = 5.0
_FACTS = {"enabled": ChannelEnabled, "disabled": ChannelDisabled}


async def listing(reader: Reader, bots: Mapping[str, int]) -> ChannelList:
    """Return the last word about every channel, those that are disabled first.

    `bots` are the ids of those that the settings name; the others are called by their ids.
    """
    names = {bot_id: name for name, bot_id in bots.items()}
    states = [
        state
        for bot_id, chats in (await _chats(reader)).items()
        for channel in chats.names
        if (state := _state(chats, channel, bot_id, names.get(bot_id, str(bot_id))))
    ]
    order = sorted(states, key=lambda one: (one.state != "disabled", one.channel, one.bot))
    return ChannelList(tuple(order))


def _state(chats: Chats, channel: Channel, bot_id: int, bot: str) -> ChannelState | None:
    standing = chats.standing(channel)
    if standing is None:
        return None
    fact = standing.fact
    return ChannelState(
        channel=channel,
        bot=bot,
        bot_id=bot_id,
        state="disabled" if isinstance(fact, ChannelDisabled) else "enabled",
        since=fact.happened_at,
        why=fact.description,
        actor=fact.actor,
    )


async def change(
    log: Connection,
    channel: Channel,
    state: State,
    *,
    bot: str | None,
    bots: Mapping[str, int],
    why: str,
    actor: str,
    clock: Clock,
) -> ChannelChanged:
    """Say that `channel` is enabled, or disabled, for one bot, by its name or id.

    None is the bot that was refused there, or the only one.
    """
    known = await _chats(log.reader)
    bot_id = _bot_id(bot, bots, [one for one, chats in known.items() if chats.standing(channel)])
    chats = known[bot_id]
    standing, place = chats.standing(channel), chats.known(channel)
    if standing and isinstance(standing.fact, _FACTS[state]):
        return ChannelChanged(place.place, bot_id, state, new=False)
    if standing is None and state == "enabled":
        raise RefusedError(
            f"{channel} was never disabled for the bot {bot_id}",
            "see `channels list`: a channel goes there by the name that its campaign calls it",
        )
    event = _FACTS[state](
        channel=place.place, bot_id=bot_id, description=why, actor=actor, happened_at=clock()
    )
    over = channel_of(place.place, bot_id)
    if not await log.publisher.publish_once(
        event, over=over, after=place.sequence, patience=_PATIENCE
    ):
        raise RefusedError(
            f"something else was said about {channel} at this moment",
            "look by `channels list`, and repeat the command",
        )
    return ChannelChanged(place.place, bot_id, state, new=True)


def _bot_id(bot: str | None, bots: Mapping[str, int], concerned: list[int]) -> int:
    if bot is not None:
        if bot.isdecimal():
            return int(bot)
        if bot in bots:
            return bots[bot]
        raise UsageError(
            f"no bot is called {bot!r} in TELEGRAM_BOT_TOKENS", "give it, or the bot's id: --bot ID"
        )
    choice = concerned or list(bots.values())
    if len(choice) == 1:
        return choice[0]
    raise UsageError("several bots may be meant, or none is known", "say which one by --bot ID")


async def _chats(reader: Reader) -> defaultdict[int, Chats]:
    found: defaultdict[int, Chats] = defaultdict(Chats)
    for entry in await reader.replay((CHANNELS,)):
        event = entry.envelope.data
        if isinstance(event, ChannelDisabled | ChannelEnabled | ChannelMigrated):
            found[event.bot_id].hear(event, entry.sequence)
    return found
