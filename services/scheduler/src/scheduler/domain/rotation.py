"""Which variant a slot shows: a function of campaign, ordinal and channel, and of nothing else.

Restarts, replicas and replays agree, as no call depends on the calls before it.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import gcd

from contracts.campaign import Campaign, Variant


def choose(campaign: Campaign, ordinal: int, channel: str) -> Variant:
    """Return the variant of slot `ordinal` in `channel`."""
    own = (channel,) if campaign.rotation_scope == "per_channel" else ()
    match campaign.rotation:
        case "round_robin":
            order: Sequence[int] = range(len(campaign.variants))
        case "weighted":
            order = _smooth(tuple(variant.weight for variant in campaign.variants))
        case "shuffled":
            return _shuffled(campaign, ordinal, own)
    shift = _hash(campaign.id, *own) if own else 0
    return campaign.variants[order[(ordinal + shift) % len(order)]]


@lru_cache(maxsize=256)
def _smooth(weights: tuple[int, ...]) -> tuple[int, ...]:
    """Return one cycle of indices with exact shares, each spread as evenly as nginx does it."""
    total = sum(weights)
    credit = [0] * len(weights)
    order = []
    for _ in range(total // gcd(*weights)):
        credit = [have + weight for have, weight in zip(credit, weights, strict=True)]
        chosen = credit.index(max(credit))
        credit[chosen] -= total
        order.append(chosen)
    return tuple(order)


def _shuffled(campaign: Campaign, ordinal: int, own: tuple[str, ...]) -> Variant:
    cycle, place = divmod(ordinal, len(campaign.variants))
    variants = {variant.id: variant for variant in campaign.variants}
    return variants[_order((campaign.id, *own), cycle, tuple(variants))[place]]


@lru_cache(maxsize=4096)
def _order(names: tuple[str, ...], cycle: int, ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids in the order of a cycle, which never begins as the one before ended."""
    if len(ids) <= 2:  # noqa: PLR2004 - two can only alternate: one order for all cycles
        return _by_hash(names, 0, ids)
    first, second, *rest = _by_hash(names, cycle, ids)
    # The exchange leaves the last in its place, so it is enough to know the raw cycle before.
    if first == _by_hash(names, cycle - 1, ids)[-1]:
        first, second = second, first
    return first, second, *rest


def _by_hash(names: tuple[str, ...], cycle: int, ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(ids, key=lambda variant: _hash(*names, str(cycle), variant)))


def _hash(*names: str) -> int:
    return int.from_bytes(blake2b("\n".join(names).encode(), digest_size=16).digest())
