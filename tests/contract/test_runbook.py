"""The runbook has a place for each alert, and the documents of `deploy/` lead to what is there."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "deploy" / "runbook.md"
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md"), *ROOT.glob("services/*/README.md")]
)
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
