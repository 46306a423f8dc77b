"""Who may cause what neither the plan nor anybody's act brings about: a part of invariant 9."""

from collections.abc import Callable, Iterator, Mapping

from chaos.judging.facts import Fact, Facts
from chaos.judging.run import Json, Run


def uncaused(run: Run, facts: Facts) -> list[Fact]:
    """Return each event of a kind that nothing in this run gave a reason for."""
    return [
        fact for kind, caused in _CAUSES.items() for fact in facts.of(kind) if not caused(run, fact)
    ]


def _never(_: Run, __: Fact) -> bool:
    return False


def _planned(run: Run, fact: Fact) -> bool:
    return any(plan["id"] == fact.data["campaign"] for plan in run.about["schedule"])


def _in_an_update(run: Run, fact: Fact) -> bool:
    number = fact.data["update_id"]
    return any(update.get("update_id") == number for update in _updates(run))


def _of_a_member(run: Run, fact: Fact) -> bool:
    """Telegram told that the bot's place in the channel changed, or refused it as if it had."""
    changes = [update["my_chat_member"] for update in _updates(run) if "my_chat_member" in update]
    told = any(str(change["chat"]["id"]) == fact.data["channel"] for change in changes)
    return told or any(f.get("fault") == "kicked" for f in run.of("fault"))


def _in_garbage(run: Run, fact: Fact) -> bool:
    sequence = fact.data["sequence"]
    return any(m.sequence == sequence and m.is_garbage for m in run.log)


def _updates(run: Run) -> Iterator[Json]:
    return (r.payload for r in run.requests if r.route == "update")


_CAUSES: Mapping[str, Callable[[Run, Fact], bool]] = {
    "campaign.defined": _planned,
    "campaign.paused": _never,
    "campaign.resumed": _never,
    "campaign.retired": _never,
    "campaign.triggered": _never,
    "campaign.backfilled": _never,
    "message.unreadable": _in_garbage,
    "message.withdrawn": _never,
    "channel.disabled": _of_a_member,
    "channel.enabled": _of_a_member,
    "channel.migrated": _never,
    "bot.stopped": _in_an_update,
    "invite.created": _never,
    "forget.requested": _in_an_update,
    "user.forgotten": _never,
}
"""Why an event may be there that follows neither from the plan nor from an act of somebody."""
