"""Reads the campaign file, and explains each error with its line, its place and a remedy."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.campaign import Campaign, IntervalSchedule, Kind, read_plan
from contracts.ids import Channel

_DEFINITION_LIMIT = 512 * 1024
"""Bytes of JSON; half of what NATS takes as one message (`max_payload`, 1 MB by default)."""

_VARIABLES: Mapping[Kind, str] = {"guide": "GUIDES_CHAT_IDS_JSON", "promo": "PROMOS_CHAT_IDS_JSON"}
_REMEDIES = {
    "extra_forbidden": "unknown field; remove it or correct its name",
    "missing": "this field is required; add it",
    "too_short": "is empty; add at least one",
    "tuple_type": "must be a list; begin each item with a dash",
    "model_type": "must be made of fields such as name: value",
    "union_tag_not_found": "say which kind of button it is: kind: callback, bot or link",
}


class PlanError(Exception):
    """The campaign file cannot be used; `problems` has a line for each reason."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def load_plan(
    path: Path, channels: Mapping[Kind, tuple[Channel, ...]], *, every: timedelta | None = None
) -> tuple[Campaign, ...]:
    """Return the campaigns of the file at `path`, each with its channels, or raise PlanError.

    A campaign without channels gets those that `channels` has for its kind; `every` replaces all
    intervals.
    """
    root = _compose(path)
    try:
        campaigns = read_plan(_values(path)).campaigns
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise PlanError(
            _explain(path, root, problem) for problem in problems if not _follows(root, problem)
        ) from error
    if every:
        schedule = IntervalSchedule(every=every)
        campaigns = tuple(c.model_copy(update={"schedule": schedule}) for c in campaigns)
    plan = tuple(_with_channels(path, campaign, channels) for campaign in campaigns)
    if too_large := [problem for campaign in plan for problem in _oversize(path, campaign)]:
        raise PlanError(too_large)
    return plan


def _values(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-13-45
        raise PlanError([f"{path}: no valid YAML: {error}; quote texts in doubt"]) from error


def _compose(path: Path) -> yaml.Node:
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise PlanError(
            [f"{path}: {error.strerror}; set FINGERPOST_CAMPAIGNS to the campaign file"]
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PlanError([f"{path}: no valid YAML: {error}"]) from error
    if root is None:
        raise PlanError([f"{path}: the file is empty; begin it with campaigns:"])
    try:
        repeated = list(_repeated_keys(path, root))
    except RecursionError as error:
        raise PlanError([f"{path}: a part of the file contains itself; write it out"]) from error
    if repeated:
        raise PlanError(repeated)
    return root


def _repeated_keys(path: Path, node: yaml.Node) -> Iterable[str]:
    """Find what YAML parsers pass over: of two equal keys only the last one counts."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(path, item)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if str(key.value) in seen:
                yield f"{path}:{key.start_mark.line + 1}: {key.value} stands twice; keep one"
            seen.add(str(key.value))
            yield from _repeated_keys(path, value)


def _explain(path: Path, root: yaml.Node, problem: ErrorDetails) -> str:
    node, place = _locate(root, problem["loc"])
    remedy = _REMEDIES.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return f"{path}:{node.start_mark.line + 1}: {place or 'file'}: {remedy}"


def _follows(root: yaml.Node, problem: ErrorDetails) -> bool:
    """Whether a list counts as too short only because its items, which are there, are wrong."""
    node, _ = _locate(root, problem["loc"])
    return problem["type"] == "too_short" and bool(node.value)


def _locate(node: yaml.Node, location: tuple[int | str, ...]) -> tuple[yaml.Node, str]:
    """Follow `location` into the file; parts that only pydantic knows (union tags) are left out."""
    place = ""
    for part in location:
        if isinstance(part, int):
            place += f"[{part}]"
            if isinstance(node, yaml.SequenceNode):
                node = node.value[part]
            continue
        child = _child(node, part)
        if child is None and part != location[-1]:
            continue
        place += f".{part}" if place else part
        node = child or node
    return node, place


def _child(node: yaml.Node, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _with_channels(
    path: Path, campaign: Campaign, channels: Mapping[Kind, tuple[Channel, ...]]
) -> Campaign:
    if campaign.channels:
        return campaign
    found = channels.get(campaign.kind, ())
    if not found:
        remedy = f"set {_VARIABLES[campaign.kind]} to a JSON array such as [-1001234567890]"
        raise PlanError(
            [f"{path}: campaign {campaign.id!r} has no channels; list some, or {remedy}"]
        )
    for channel in found:
        if found.count(channel) > 1:
            variable = _VARIABLES[campaign.kind]
            raise PlanError([f"{variable}: channel {channel!r} stands twice; keep one"])
    return campaign.model_copy(update={"channels": found})


def _oversize(path: Path, campaign: Campaign) -> Iterable[str]:
    size = len(campaign.model_dump_json().encode())
    if size > _DEFINITION_LIMIT:
        yield (
            f"{path}: campaign {campaign.id!r} is {size // 1024} KiB of JSON, the log takes"
            f" {_DEFINITION_LIMIT // 1024}; share its variants or channels out to several campaigns"
        )
