"""What a post shows and who gave one up, against what was due: a part of invariant 3."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from chaos.judging.facts import DUES, Fact, Facts, seconds
from chaos.judging.names import HIDDEN_CTA, token
from chaos.judging.run import Json, Run, clock_noise

INVISIBLE = "\u200b"
"""The character that carries the invisible link by which a lost message is recognised."""

_NEAR = 2.0
"""Telegram tells whole seconds, and rounds them down."""
_ROUNDING = 0.002
_REASONS = {"expired", "channel_disabled"}
"""Why a delivery may be given up; a person may drop one, and no run has such a person."""
_OF_LINKS = {"lost", "not_connected"}
"""What may fail whenever a process or a link is broken; the rest only Telegram can say."""
_OF_TELEGRAM = {
    "rate_limited", "restarting", "migrated", "content", "target", "too_large", "unauthorized",
}  # fmt: skip


def wrong_contents(run: Run, facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield each post that does not show what was due, and in what way."""
    keys = run.about.get("cta_keys") or {}
    dues = {fact.data["delivery"]: fact.data["variant"] for fact in facts.of(*DUES)}
    unmarked = {fact.delivery for fact in facts.of("message.claimed") if not fact.data.get("mark")}
    withdrawn = {fact.delivery for fact in facts.of("message.withdrawn")}
    for line in run.posts:
        deliveries, ctas = _tokens(line, keys)
        if line["bot_id"] is None or len(deliveries) != 1 or not deliveries & dues.keys():
            continue
        (delivery,) = deliveries
        name = f"message {line['message_id']} in {line['chat_id']}"
        hidden = [] if delivery in unmarked else [HIDDEN_CTA]
        if sorted(ctas) != [*range(len(dues[delivery].get("ctas", ()))), *hidden]:
            yield name, f"a message of {delivery} has the buttons {sorted(ctas)}"
        if line["text"].replace(INVISIBLE, "") != dues[delivery].get("text"):
            yield name, f"a message of {delivery} has another text than was due"
        if (line["deleted"] or line["edited_at"]) and delivery not in withdrawn:
            yield name, f"a message of {delivery} was changed, and the log does not say so"


def _tokens(line: Json, keys: Mapping[str, str]) -> tuple[set[str], set[int]]:
    found = [one for text in line["tokens"] if (one := token(text, keys))]
    return {one.delivery for one in found}, {one.cta for one in found}


def wrong_words(run: Run, facts: Facts) -> Iterator[tuple[Fact, str]]:
    """Yield each word of the ledger that nothing in the run gave a reason for."""
    policies = {fact.data["delivery"]: fact.data["on_uncertain"] for fact in facts.of(*DUES)}
    misbehaved = [f["at"] for f in run.of("fault") if f["kind"] == "misbehave"]
    disabled: dict[str, list[int]] = defaultdict(list)
    for fact in facts.of("channel.disabled"):
        disabled[fact.data["channel"]].append(fact.sequence)
    for fact in facts.of("message.skipped"):
        reason, before = fact.data["reason"], disabled[fact.data["channel"]]
        if reason not in _REASONS:
            yield fact, f"it is given up as {reason!r}, which nobody may say here"
        elif reason == "channel_disabled" and min(before, default=fact.sequence) >= fact.sequence:
            yield fact, "its channel is called disabled, and the log does not say so before it"
    for fact in facts.of("message.failed"):
        if not _may_fail(fact, misbehaved):
            yield fact, f"it failed as {fact.data['failure']!r}, which Telegram never said"
    for fact in facts.of("message.uncertain"):
        if fact.data["policy"] != policies.get(fact.data["delivery"]):
            yield fact, f"it is treated by {fact.data['policy']!r}, and was due by another policy"


def _may_fail(fact: Fact, misbehaved: Sequence[float]) -> bool:
    """A link may lose an answer, for which there is another try; the rest is Telegram's word."""
    failure = fact.data["failure"]
    if failure in _OF_LINKS:
        return bool(fact.data.get("retry_at"))
    return failure in _OF_TELEGRAM and any(at <= fact.stored_at for at in misbehaved)


def misdated(run: Run, facts: Facts) -> Iterator[tuple[Fact, str]]:
    """Yield each word of a post that gives it another time than the channel has.

    How late it came was said after it was posted, and before the log had it.
    """
    posted = {(line["chat_id"], line["message_id"]): line["at"] for line in run.posts}
    dues = {f.delivery: f.data.get("due_at") or f.data["scheduled_for"] for f in facts.of(*DUES)}
    for fact in facts.of("message.sent"):
        at = posted.get((fact.data["chat_id"], fact.data["message_id"]))
        if at is None or fact.delivery not in dues:
            continue
        if abs(seconds(fact.data["sent_at"]) - at) > _NEAR:
            yield fact, f"it says sent at {fact.data['sent_at']}, and it was posted at {at:.0f}"
        late = fact.data["latency_ms"] / 1000
        stored = fact.stored_at + _ROUNDING + clock_noise(run, "sender", fact.stored_at)
        if not at - _NEAR <= seconds(dues[fact.delivery]) + late <= stored:
            yield fact, f"it says that it came {late:.1f} s late, and it did not"


def miscounted(run: Run, facts: Facts) -> Iterator[tuple[Fact, str]]:
    """Yield each word of a post that gives its channel other members than it has."""
    channels = [channel for plan in run.about["schedule"] for channel in plan["channels"]]
    members = {channel["id"]: channel["members"] for channel in channels if "members" in channel}
    for fact in facts.of("message.sent"):
        audience, known = fact.data.get("audience"), members.get(fact.data["channel"])
        if known is not None and audience not in {None, known}:
            yield fact, f"it counts {audience} members of a channel that has {known}"
