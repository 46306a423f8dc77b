"""The bot, the channels and the person that the sandbox shows when nobody says otherwise."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandbox.client import Sandbox

BOT_ID = 7_000_001
BOT_USERNAME = "fingerpost_demo_bot"
YOU = 1


@dataclass(frozen=True)
class Channel:
    """A channel of the sandbox."""

    chat_id: int
    title: str
    members: int


Channels = Sequence[Channel]

GUIDES = (Channel(-1001000000001, "Trading School", 4_200),)
PROMOS = (Channel(-1001000000002, "Signal Room", 12_800),)


def channels(environment: Mapping[str, str], variable: str, default: Channels) -> Channels:
    """Return the channels that `variable` names by their ids, or the `default` ones.

    What is no JSON array is the scheduler's to refuse, with a message of its own.
    """
    try:
        ids = json.loads(environment.get(variable, ""))
    except ValueError:
        return default
    named = [chat for chat in ids if isinstance(chat, int)] if isinstance(ids, list) else []
    return tuple(Channel(chat, f"Channel {chat}", 1_000) for chat in named)


def chat_ids(channels: Channels) -> str:
    """Return the channels' ids as the scheduler's settings want them."""
    return json.dumps([channel.chat_id for channel in channels])


async def set_scene(sandbox: Sandbox, token: str, channels: Channels) -> None:
    """Put the bot, the channels and you into the sandbox; what is there already stays."""
    await sandbox.put_bot(BOT_ID, token, BOT_USERNAME, "Fingerpost")
    for channel in channels:
        await sandbox.put_chat(
            channel.chat_id, channel.title, type="channel", members=channel.members
        )
    await sandbox.put_person(YOU, "You")
