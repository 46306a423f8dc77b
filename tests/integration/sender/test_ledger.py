"""The claim of an attempt: one claimant has it, whoever asks, and whatever answer is lost."""

import asyncio

from contracts.events import MessageClaimed
from contracts.examples import example
from harness.logs import Log
from sender.ledger import Ledger


def claim(claimant: str) -> MessageClaimed:
    return example(MessageClaimed, claimant=claimant)


async def test_of_many_who_claim_an_attempt_one_has_it(log: Log) -> None:
    claims = [claim(f"sender-{number}") for number in range(8)]
    ledgers = [Ledger(log.publisher, log.reader) for _ in claims]

    asked = zip(ledgers, claims, strict=True)
    granted = await asyncio.gather(*(ledger.claim(one) for ledger, one in asked))

    (standing,) = await log.events(MessageClaimed)
    assert [one for one, is_granted in zip(claims, granted, strict=True) if is_granted] == [
        standing
    ]


async def test_a_claim_whose_answer_was_lost_is_one_s_own(log: Log) -> None:
    mine = claim("sender-0")
    await log.publisher.publish_once(mine)

    granted = await Ledger(log.publisher, log.reader).claim(mine)

    assert granted
    assert not await Ledger(log.publisher, log.reader).claim(claim("sender-1"))
