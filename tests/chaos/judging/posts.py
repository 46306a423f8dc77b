"""What stands in the channels against what the log says: invariant 3."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chaos.judging.content import miscounted, misdated, wrong_contents, wrong_words
from chaos.judging.facts import DUES, MESSAGES, Fact, Facts, repeated, seconds
from chaos.judging.looking import looked_too_soon, resent_too_soon
from chaos.judging.names import Token, token
from chaos.judging.run import Json, Run, clock_noise
from chaos.judging.verdict import Broken, Judged

POSTED = 3

Outcome = Literal["sent", "not sent", "uncertain", "unanswered"]


@dataclass(frozen=True)
class Post:
    """One message that stood in a channel; `delivery` None: it does not say whose it is."""

    chat_id: int
    message_id: int
    delivery: str | None

    @property
    def name(self) -> str:
        """How a person finds it."""
        return f"message {self.message_id} in {self.chat_id}"


def posts_of(run: Run) -> list[Post]:
    """Return what bots posted."""
    return [_post(line, run.about.get("cta_keys") or {}) for line in run.posts if line["bot_id"]]


def _post(line: Json, keys: Mapping[str, str]) -> Post:
    found = [token(text, keys) for text in line["tokens"]]
    genuine = {one.delivery for one in found if isinstance(one, Token) and one.genuine is not False}
    delivery = genuine.pop() if len(genuine) == 1 and all(found) else None
    return Post(line["chat_id"], line["message_id"], delivery)


def outcome_of(story: Sequence[Fact]) -> Outcome:
    """Return what the log says became of a delivery; unanswered: it has not said it."""
    kinds = {fact.kind for fact in story}
    if "message.sent" in kinds:
        return "sent"
    if "message.skipped" in kinds or not kinds & set(DUES):
        return "not sent"
    newest = max((fact.data["attempt"] for fact in story if "attempt" in fact.data), default=0)
    for fact in story:
        if fact.data.get("attempt") != newest:
            continue
        if fact.kind == "message.failed" and not fact.data.get("retry_at"):
            return "not sent"
        if fact.kind == "message.uncertain" and fact.data["policy"] != "resend":
            return "uncertain"
    return "unanswered"


def judge_posts(run: Run, facts: Facts) -> Judged:
    """Each delivery was posted at most once, and exactly once unless the log says why not."""
    posts: dict[str, list[Post]] = defaultdict(list)
    strange = []
    for post in posts_of(run):
        if post.delivery is None:
            strange.append(post.name)
        else:
            posts[post.delivery].append(post)
    stories = facts.by_delivery
    chats = {c["id"]: c["chat_id"] for plan in run.about["schedule"] for c in plan["channels"]}
    broken = [
        *(Broken(POSTED, "a message tells no delivery", (name,)) for name in strange),
        *(
            case
            for delivery in sorted({*stories, *posts})
            for case in _delivery(delivery, stories.get(delivery, []), posts[delivery])
        ),
        *(
            Broken(POSTED, f"a message of {fact.delivery} stands in another chat", (fact.name,))
            for fact in facts.of(*DUES)
            for post in posts[fact.data["delivery"]]
            if post.chat_id != chats.get(fact.data["channel"], post.chat_id)
        ),
        *(
            Broken(POSTED, "it was called expired before its time was over", (fact.name,))
            for fact in skipped_too_soon(run, facts)
        ),
        *(
            Broken(POSTED, "the ledger says one thing twice", tuple(f.name for f in group))
            for group in repeated(facts.of(*MESSAGES), lambda fact: fact.subject)
        ),
        *(Broken(POSTED, sentence, (name,)) for name, sentence in wrong_contents(run, facts)),
        *(
            Broken(POSTED, sentence, (fact.name,))
            for fact, sentence in (
                *wrong_words(run, facts),
                *misdated(run, facts),
                *miscounted(run, facts),
                *looked_too_soon(run, facts),
                *resent_too_soon(run, facts),
            )
        ),
    ]
    return Judged(POSTED, len(facts.of(*DUES)), "deliveries", tuple(broken))


def _delivery(delivery: str, story: Sequence[Fact], posts: Sequence[Post]) -> Iterator[Broken]:
    names = tuple(post.name for post in posts)
    told = tuple(fact.name for fact in story)
    outcome = outcome_of(story)
    if len(posts) > 1 + resends(story):
        yield Broken(POSTED, f"{delivery} was posted {len(posts)} times", names)
    for fact in _past_the_end(story):
        yield Broken(POSTED, f"{delivery} is tried again after the last word on it", (fact.name,))
    if outcome == "unanswered":
        stands = "is posted" if posts else "is not posted"
        yield Broken(POSTED, f"{delivery} {stands}, and the log does not say how it ended", told)
    elif outcome == "not sent" and posts:
        if not any(fact.kind == "message.uncertain" for fact in story):
            said = story[-1].name if story else "nothing"
            yield Broken(POSTED, f"{delivery} is posted, and the log says {said}", names)
    elif outcome == "sent":
        yield from _sent(delivery, story, posts)


def _past_the_end(story: Sequence[Fact]) -> Iterator[Fact]:
    """Yield the attempts that follow a last word; a person may take one back (`retry_at`)."""
    last: int | None = None
    for fact in story:
        attempt = fact.data.get("attempt", 0)
        if fact.kind == "message.claimed" and last is not None and attempt > last:
            yield fact
        elif fact.kind in {"message.sent", "message.skipped"}:
            last = attempt
        elif fact.kind == "message.failed":
            last = None if fact.data.get("retry_at") else attempt
        elif fact.kind == "message.uncertain":
            last = None if fact.data["policy"] == "resend" else attempt


def skipped_too_soon(run: Run, facts: Facts) -> list[Fact]:
    """Return what was called expired and was not, by the log's time."""
    ends = {f.data["delivery"]: seconds(f.data["expires_at"]) for f in facts.of(*DUES)}
    return [
        fact
        for fact in facts.of("message.skipped")
        if fact.data["reason"] == "expired"
        and fact.stored_at + clock_noise(run, "sender", fact.stored_at)
        < ends.get(fact.data["delivery"], 0)
    ]


def resends(story: Sequence[Fact]) -> int:
    """Return how many more posts the log itself allows: what nobody could see was sent again."""
    return sum(f.kind == "message.uncertain" and f.data["policy"] == "resend" for f in story)


def _sent(delivery: str, story: Sequence[Fact], posts: Sequence[Post]) -> Iterator[Broken]:
    for fact in story:
        if fact.kind != "message.sent":
            continue
        place = fact.data["chat_id"], fact.data["message_id"]
        if place not in {(post.chat_id, post.message_id) for post in posts}:
            sentence = f"{delivery} is said to be sent, and no such message was posted"
            yield Broken(POSTED, sentence, (fact.name, f"message {place[1]} in {place[0]}"))
