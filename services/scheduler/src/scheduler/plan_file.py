"""Reads the campaign file, explains each error with its line, place and remedy, sees it change."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.campaign import Campaign, IntervalSchedule, Kind, read_plan
from contracts.ids import Channel

try:
    from yaml import CSafeLoader as FastLoader
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader as FastLoader  # type: ignore[assignment]

_DEFINITION_LIMIT = 512 * 1024
"""Bytes of JSON; half of what NATS takes as one message (`max_payload`, 1 MB by default)."""

_VARIABLES: Mapping[Kind, str] = {"guide": "GUIDES_CHAT_IDS_JSON", "promo": "PROMOS_CHAT_IDS_JSON"}
_UNIONS = {"schedule", "schedules", "ctas"}
"""Fields of several shapes: what pydantic puts behind them in a place names the shape."""

_BUTTONS = "callback, bot, deep_link, link or copy"
_REMEDIES = {
    "extra_forbidden": "unknown field; remove it or correct its name",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_parsing_size": "is too large a number; write a smaller one",
    "invalid_key": "is no name of a field; remove it",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "missing": "this field is required; add it",
    "model_attributes_type": "must be made of fields such as kind: link",
    "model_type": "must be made of fields such as name: value",
    "recursion_loop": "contains itself; write it out",
    "string_too_long": "is longer than {max_length} characters; shorten it",
    "string_too_short": "is empty; write a text",
    "string_type": "must be a text; write it in quotes",
    "time_delta_parsing": "write a duration such as 4h, 1h30m or 45s",
    "time_delta_type": "write a duration such as 4h, 1h30m or 45s",
    "too_long": "has too many items; {max_length} at most",
    "too_short": "is empty; add at least one",
    "tuple_type": "must be a list; begin each item with a dash",
    "union_tag_invalid": f"unknown kind of button; write kind: {_BUTTONS}",
    "union_tag_not_found": f"say which kind of button it is: kind: {_BUTTONS}",
}
_SCHEDULE_SHAPE = "must be made of fields: every: 4h, or cron: 0 9 * * *"
_FIELD_REMEDIES = {
    ("channels", "string_pattern_mismatch"): (
        "is no channel; write a chat id such as -1001234567890 or a name such as '@news', of 4 to"
        " 32 letters, digits and _"
    ),
    ("id", "string_pattern_mismatch"): (
        "use 1 to 64 of a-z, 0-9, _ and -, the first of them a letter or digit"
    ),
    ("limit", "greater_than"): "must be at least 1; remove it where there is no limit",
    ("schedule", "model_type"): _SCHEDULE_SHAPE,
    ("schedules", "model_type"): _SCHEDULE_SHAPE,
}
_MISPLACED = {
    ("by_cron", "every"): "stands beside cron; remove one of them, or list two schedules",
    ("by_cron", "phase"): "counts for every only; remove it",
    ("by_interval", "zone"): "counts for cron only; remove it: intervals lie on the UTC grid",
    ("by_interval", "repeat_in_overlap"): "counts for cron only; remove it",
}
_QUOTES = "put a text that begins with * @ & ! % or `, or that contains ': ' or ' #', in quotes"

_OPENERS = 5_000
_DEEP = re.compile(r"(?:[-?] ){200}|^ {1000}", re.MULTILINE)

_NEVER_SEEN: tuple[int, ...] = ()
_MISSING: tuple[int, ...] = (0,)


class PlanError(Exception):
    """The campaign file cannot be used; `problems` has a line for each reason."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class PlanFile:
    """The campaign file of one path.

    A campaign without channels gets those that `channels` has for its kind. `every` is for trying
    out: it replaces all that a campaign says about when it posts.
    """

    def __init__(
        self,
        path: Path,
        channels: Mapping[Kind, tuple[Channel, ...]],
        *,
        every: timedelta | None = None,
    ) -> None:
        self.path = path
        self._channels = channels
        self._every = every
        self._seen = _NEVER_SEEN

    def load(self) -> tuple[Campaign, ...]:
        """Return the campaigns, each with its channels, or raise PlanError with every error."""
        document = _parse(self.path, self._read())
        problems = list(self._fill_channels(document))
        try:
            campaigns = read_plan(document.values).campaigns
        except ValidationError as error:
            campaigns = ()
            problems += document.explain(error)
        problems += _oversize(document, campaigns)
        if problems:
            raise PlanError(text for _, text in sorted(problems))
        return tuple(self._to_try_out(campaign) for campaign in campaigns)

    def changed(self) -> bool:
        """Whether the file is another one than at the last load or the last asking; it is cheap.

        Before the first load it is; a file that went missing is another one once.
        """
        before, self._seen = self._seen, _fingerprint(self.path)
        return self._seen != before

    def _read(self) -> str:
        # What is there before reading counts as seen: what is written meanwhile is a change.
        self._seen = _fingerprint(self.path)
        try:
            content = self.path.read_bytes()
        except OSError as error:
            remedy = (
                "name a campaign file that can be read"
                " (FINGERPOST_CAMPAIGNS, e.g. deploy/campaigns/default.yaml)"
            )
            raise PlanError([f"{self.path}: {error.strerror}; {remedy}"]) from error
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise PlanError([f"{self.path}:{line}: file: is no UTF-8 text; save it so"]) from error

    def _fill_channels(self, document: "_Document") -> Iterator["_Problem"]:
        for place, campaign in document.campaigns():
            if campaign.get("channels", []) != []:
                continue
            found = self._channels.get(campaign["kind"], ())
            variable = _VARIABLES[campaign["kind"]]
            for channel in sorted({channel for channel in found if found.count(channel) > 1}):
                yield 0, f"{variable}: channel {channel!r} stands twice; keep one"
            if not found:
                remedy = f"list some under channels:, or set {variable} to [-1001234567890]"
                yield document.problem(("campaigns", place), f"has no channels; {remedy}")
            campaign["channels"] = list(dict.fromkeys(found))

    def _to_try_out(self, campaign: Campaign) -> Campaign:
        if not self._every:
            return campaign
        timing = {
            "schedule": IntervalSchedule(every=self._every),
            "schedules": (),
            "start": None,
            "end": None,
            "limit": None,
            "quiet_hours": (),
            "blackouts": (),
            "jitter": timedelta(0),
            "channel_offset": timedelta(0),
        }
        return campaign.model_copy(update=timing)


_Place = tuple[int | str, ...]
_Problem = tuple[int, str]
"""The line, to sort by, and the whole text."""


class _Loader(FastLoader):
    """Reads scalars as editors do, by YAML 1.2: `on`, `22:00` and `2026-02-30` are texts.

    The rules of the plan then explain what is wrong with them, and where.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  PyYAML copies it for each class


_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"

for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]{1,400}", "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first)
    )


def _whole_number(_: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(node.value)  # as in YAML 1.2: 010 is ten


_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)


class _CarefulLoader(yaml.SafeLoader):
    """Ends in RecursionError where libyaml's recursion would end the process."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
    yaml_constructors = _Loader.yaml_constructors


@dataclass(frozen=True)
class _Document:
    """What the file says, and the nodes that know on which line it says it."""

    path: Path
    root: yaml.Node
    values: Any

    def campaigns(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Return what may be a campaign, as far as its kind is known."""
        listed = self.values.get("campaigns") if isinstance(self.values, dict) else None
        for place, campaign in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(campaign, dict) and campaign.get("kind") in list(_VARIABLES):
                yield place, campaign

    def problem(self, place: _Place, remedy: str) -> _Problem:
        """Return a problem with its line; parts of `place` that are not in the file are kept."""
        node, name = _locate(self.root, place)
        line = node.start_mark.line + 1
        return line, f"{self.path}:{line}: {name or 'file'}: {remedy}"

    def explain(self, error: ValidationError) -> Iterator[_Problem]:
        """Return the problems that `error` has, without those that only follow from others."""
        for problem in error.errors(include_url=False, include_input=False):
            place = _without_shapes(problem["loc"])
            node, _ = _locate(self.root, place)
            # A list counts as too short also where its items are there, but wrong.
            if problem["type"] != "too_short" or not node.value:
                yield self.problem(place, _remedy(problem, place))


def _parse(path: Path, text: str) -> _Document:
    try:
        loader = _loader(text)
        root = loader.get_single_node()
        if root is None:
            raise PlanError([f"{path}:1: file: is empty; begin it with campaigns:"])
        if repeated := list(_repeated_keys(root, set())):
            raise PlanError(
                f"{path}:{line}: {key}: stands twice; keep one" for line, key in repeated
            )
        return _Document(path, root, loader.construct_document(root))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = error.problem or error.context
        raise PlanError([f"{path}:{line}: file: no valid YAML: {what}; {_QUOTES}"]) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: such as !!timestamp 2026-02-30
        raise PlanError([f"{path}:1: file: no valid YAML: {error}; correct it"]) from error
    except RecursionError:
        raise PlanError([f"{path}:1: file: lies too deep within itself; write it out"]) from None


def _loader(text: str) -> Any:
    openers = text.count("[") + text.count("{")
    deep = openers > _OPENERS or _DEEP.search(text)
    return _CarefulLoader(text) if deep else _Loader(text)


def _repeated_keys(node: yaml.Node, known: set[int]) -> Iterator[tuple[int, str]]:
    """Find what YAML parsers pass over: of two equal keys only the last one counts."""
    if id(node) in known or isinstance(node, yaml.ScalarNode):
        return
    known.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item, known)
        return
    seen = set()
    for key, value in node.value:
        name = str(key.value)
        if name in seen:
            yield key.start_mark.line + 1, name
        seen.add(name)
        yield from _repeated_keys(value, known)


def _without_shapes(location: _Place) -> _Place:
    """Leave out the parts that only pydantic knows: which shape of a schedule or button it took."""
    place: list[int | str] = []
    field = ""
    for part in location:
        if isinstance(part, str) and field in _UNIONS:
            field = ""
            continue
        field = part if isinstance(part, str) else field
        place.append(part)
    return tuple(place)


def _remedy(problem: ErrorDetails, place: _Place) -> str:
    kind = problem["type"]
    if kind == "extra_forbidden" and problem["loc"][-2:] in _MISPLACED:
        return _MISPLACED[problem["loc"][-2:]]  # type: ignore[index]
    field = next((part for part in reversed(place) if isinstance(part, str)), "")
    remedy = _FIELD_REMEDIES.get((field, kind)) or _REMEDIES.get(kind)
    if remedy:
        return remedy.format(**problem.get("ctx", {}))
    return problem["msg"].removeprefix("Value error, ")


def _locate(node: yaml.Node, place: _Place) -> tuple[yaml.Node, str]:
    """Follow `place` into the file as far as it goes; return also how people read it."""
    name = ""
    for part in place:
        if isinstance(part, int) and isinstance(node, yaml.SequenceNode):
            name += f"[{part}]"
            node = node.value[part] if part < len(node.value) else node
        elif isinstance(part, str) or isinstance(node, yaml.MappingNode):
            name += f".{part}" if name else str(part)
            node = _child(node, str(part)) or node
    return node, name


def _child(node: yaml.Node, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    # The last one counts: those that YAML merges in (<<) stand before.
    return next((value for name, value in reversed(node.value) if name.value == key), None)


def _oversize(document: _Document, campaigns: Iterable[Campaign]) -> Iterator[_Problem]:
    for place, campaign in enumerate(campaigns):
        size = len(campaign.model_dump_json().encode())
        if size > _DEFINITION_LIMIT:
            yield document.problem(
                ("campaigns", place),
                f"is {size // 1024} KiB of JSON, the log takes {_DEFINITION_LIMIT // 1024};"
                " share its variants or channels out to several campaigns",
            )


def _fingerprint(path: Path) -> tuple[int, ...]:
    """Tell files apart, through symlinks: a mounted ConfigMap changes by exchanging one."""
    try:
        found = path.stat()
    except OSError:
        return _MISSING
    return found.st_mtime_ns, found.st_size, found.st_ino
