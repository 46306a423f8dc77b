"""The runbook has a place for each alert, and the documents of `deploy/` lead to what is there.

Commands are parsed as the command line parses them; metrics, settings and files are looked up.
"""

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import analytics.console.arguments
import chassis.backup
import chassis.provision
import clicks.console.arguments
import scheduler.console.arguments
import sender.console.arguments
from analytics.settings import Settings as AnalyticsSettings
from chassis.console import UsageError
from chassis.settings import variable
from clicks.settings import Settings as ClicksSettings
from observability.metrics import metrics
from scheduler.settings import Settings as SchedulerSettings
from sender.settings import Settings as SenderSettings

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "deploy" / "runbook.md"
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md"), *ROOT.glob("services/*/README.md")]
)
OPERATORS = [path for path in DOCUMENTS if path.is_relative_to(ROOT / "deploy")]
PARSERS = {
    "scheduler": scheduler.console.arguments.parser,
    "sender": sender.console.arguments.parser,
    "clicks": clicks.console.arguments.parser,
    "analytics": analytics.console.arguments.parser,
    "chassis.provision": chassis.provision.parser,
    "chassis.backup": chassis.backup.parser,
}
OTHER_COMMANDS = {"analytics.password", "chassis.alive", "chassis.launch", "sandbox", "venv"}
SETTINGS = (SchedulerSettings, SenderSettings, ClicksSettings, AnalyticsSettings)
MEANT = {
    **dict.fromkeys(("CAMPAIGN", "NAME"), "guides"),
    **dict.fromkeys(("CHANNEL", "-100…"), "-1001234567890"),
    **dict.fromkeys(("T", "T0", "T1"), "2026-03-01T09:00"),
    **dict.fromkeys(("N", "USER", "SEQUENCE", "ID", "PORT"), "7"),
    **dict.fromkeys(("FILE", "FOLDER"), "some/place"),
    "DAY": "2026-03-01",
    "DELIVERY": "je631khjffmgqtcq14s40o6afk",
}
"""What an operator writes for the words that stand for something."""
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """Return the names by which others lead to the document's headings."""
    headings = (
        re.sub(r"[`*]", "", text).lower() for text in _HEADING.findall(document.read_text())
    )
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in headings}


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    groups = yaml.safe_load((ROOT / "deploy/alerts/fingerpost.yaml").read_text())["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"]]
    sections = re.findall(r"^### (Fingerpost\w+)$", RUNBOOK.read_text(), re.MULTILINE)

    assert sorted(sections) == sorted(alerts)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    lost = []
    for link in _LINK.findall(document.read_text()):
        if "://" in link:
            continue
        place, _, anchor = link.partition("#")
        target = (document.parent / place).resolve() if place else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)

    assert lost == []


_BLOCK = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_COMMAND = re.compile(r"python3? -m ([\w.]+)([^#;&>'\n]*)")
_CHOICE = re.compile(r"(--\S+(?: [A-Z]+)?) \|(?= --)")


def written(document: Path) -> Iterator[str]:
    """Yield each block, and each text between backticks, with line breaks taken out."""
    text = document.read_text()
    for block in _BLOCK.findall(text):
        yield block.replace("\\\n", " ")
    for span in _SPAN.findall(_BLOCK.sub("", text)):
        yield " ".join(span.split())


def commands(document: Path) -> Iterator[tuple[str, str]]:
    """Yield the module and the words of each command, also of those that name no module."""
    for text in written(document):
        for module, words in _COMMAND.findall(text):
            yield from ((module, one.strip()) for one in each(words))
        name, _, rest = text.partition(" ")
        for module in ("scheduler", "sender", "clicks", "analytics"):
            if rest and name in acts(module):
                yield from ((module, f"{name} {one}") for one in each(rest))


def each(words: str) -> list[str]:
    """Return the words of one command, or of several: `--posted ID | --drop` is two."""
    *others, last = _CHOICE.split(words.replace(r"\|", "|"))
    if not others:
        return [last]
    head, first = others[0], others[1::2]
    return [f"{head}{choice}" for choice in (*first, last.strip())]


def acts(module: str) -> set[str]:
    """Return the first words that a module knows."""
    [choices] = [action.choices for action in PARSERS[module]()._actions if action.choices]
    return set(choices)


def problem(parser: ArgumentParser, words: str) -> str | None:
    """Return why the command line would refuse `words`."""
    given = [MEANT.get(word, word) for word in shlex.split(words.partition(" |")[0])]
    if given and given[-1] == "…":
        given = []
    try:
        parser.parse_args(given)
    except (UsageError, SystemExit) as error:
        return f"{words}: {error}"
    return None


@pytest.mark.parametrize("document", OPERATORS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_are_such_as_the_command_lines_take(document: Path) -> None:
    found = list(commands(document))

    known = [(module, words) for module, words in found if module not in OTHER_COMMANDS]
    assert {module for module, _ in known} - PARSERS.keys() == set()
    asked = [(module, words) for module, words in known if " " in words]  # else it is a mere name
    assert [words for module, words in known if words.isalpha() and words not in acts(module)] == []
    assert [why for module, words in asked if (why := problem(PARSERS[module](), words))] == []


def test_the_commands_of_the_runbook_are_found() -> None:
    found = list(commands(RUNBOOK))

    assert ("analytics", "rebuild --accept-differences") in found
    assert ("sender", "uncertain resolve DELIVERY --drop") in found
    assert ("analytics", "drop N") in found
    assert len(found) > 30
    assert problem(PARSERS["sender"](), "uncertain resolve DELIVERY --give-up")


@pytest.mark.parametrize("document", OPERATORS, ids=lambda path: str(path.relative_to(ROOT)))
def test_metrics_and_settings_are_such_as_exist(document: Path) -> None:
    text = document.read_text()
    series = {name for metric in metrics() for name in (metric.name, *metric.series)}
    settings = {variable(one, field)[0] for one in SETTINGS for field in one.model_fields}

    named = set(re.findall(r"\bfingerpost_(?:scheduler|sender|clicks|projection|log)_\w+", text))
    told = set(re.findall(r"\bFINGERPOST_[A-Z_]+", text))

    assert named - series == set()
    assert told - settings == set()


@pytest.mark.parametrize("document", OPERATORS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_such_as_exist(document: Path) -> None:
    made = ("deploy/compose.env", "deploy/secrets")  # by the reader
    places = (document.parent, ROOT, ROOT / "deploy", ROOT / "deploy/k8s")
    of_kubectl = re.compile(r"deploy/(scheduler|sender|clicks|analytics)")

    named = {
        path.rstrip("/")
        for text in written(document)
        for path in re.findall(
            r"(?<![\w/.$-])(?:deploy|contracts|tests|services|options|overlays)/[\w./*-]+", text
        )
    }

    lost = {path for path in named if not any(any(place.glob(path)) for place in places)}
    assert {p for p in lost if not p.startswith(made) and not of_kubectl.fullmatch(p)} == set()
