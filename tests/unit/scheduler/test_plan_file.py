"""Every broken campaign file is answered with its file and line, the place, and a remedy."""

from datetime import timedelta
from pathlib import Path

import pytest

from contracts.campaign import Campaign
from contracts.token import TOKEN_LIMIT
from scheduler.plan_file import PlanError, load_plan

DEFAULT = Path(__file__).parents[3] / "deploy" / "campaigns" / "default.yaml"
CHANNELS = {"guide": ("-1001",), "promo": ("-1002",)}

GOOD = """\
version: 1
campaigns:
  - id: guides
    kind: guide
    title: Guides
    zone: Europe/Berlin
    schedule:
      every: 4h
    variants:
      - id: one
        text: Read this.
        ctas:
          - kind: link
            label: Read
            target: https://example.org/
"""
SECOND = """\
  - id: {name}
    kind: promo
    title: Promos
    variants:
      - id: one
        text: Buy this.
"""


def problems(folder: Path, text: str) -> list[str]:
    """Write a campaign file that must be refused; return the lines, with the folder taken off."""
    path = folder / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError) as caught:
        load_plan(path, CHANNELS)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def test_a_good_file_is_read_and_gets_the_channels_of_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD)

    [guides] = load_plan(path, CHANNELS)

    assert guides.channels == ("-1001",)
    assert guides.schedule.every == timedelta(hours=4)


BROKEN = {
    "unknown field": (
        ("    title: Guides", "    titel: Guides"),
        [
            "plan.yaml:3: campaigns[0].title: this field is required; add it",
            "plan.yaml:5: campaigns[0].titel: unknown field; remove it or correct its name",
        ],
    ),
    "unknown field of a button": (
        ("            label: Read", "            label: Read\n            colour: red"),
        [
            (
                "plan.yaml:15: campaigns[0].variants[0].ctas[0].colour:"
                " unknown field; remove it or correct its name"
            )
        ],
    ),
    "empty rotation": (
        (GOOD[GOOD.index("    variants:") :], "    variants: []\n"),
        ["plan.yaml:9: campaigns[0].variants: is empty; add at least one"],
    ),
    "rotation that is no list": (
        (GOOD[GOOD.index("    variants:") :], "    variants:\n"),
        ["plan.yaml:9: campaigns[0].variants: must be a list; begin each item with a dash"],
    ),
    "unknown time zone": (
        ("Europe/Berlin", "Europe/Atlantis"),
        [
            (
                "plan.yaml:6: campaigns[0].zone: 'Europe/Atlantis' is not an IANA time zone;"
                " write one such as Europe/Berlin"
            )
        ],
    ),
    "text over Telegram's limit": (
        ("Read this.", "📈" * 2049),
        [
            (
                "plan.yaml:11: campaigns[0].variants[0].text:"
                " text is 4098 characters long; Telegram takes 4096"
            )
        ],
    ),
    "button without target": (
        ("            target: https://example.org/\n", ""),
        ["plan.yaml:13: campaigns[0].variants[0].ctas[0].target: this field is required; add it"],
    ),
    "button to a script": (
        ("https://example.org/", "javascript:alert(1)"),
        [
            (
                "plan.yaml:15: campaigns[0].variants[0].ctas[0].target:"
                " must be an http(s) address such as https://example.org/offer"
            )
        ],
    ),
    "button of no kind": (
        ("          - kind: link\n            label", "          - label"),
        [
            (
                "plan.yaml:13: campaigns[0].variants[0].ctas[0]:"
                " say which kind of button it is: kind: callback, bot or link"
            )
        ],
    ),
    "unreadable interval": (
        ("every: 4h", "every: often"),
        ["plan.yaml:8: campaigns[0].schedule.every: write a duration such as 4h, 1h30m or 45s"],
    ),
    "absurd interval": (
        ("every: 4h", "every: 999999999d24h"),
        ["plan.yaml:8: campaigns[0].schedule.every: is too long"],
    ),
    "field that stands twice": (
        ("    title: Guides", "    title: Guides\n    title: Other"),
        ["plan.yaml:6: title stands twice; keep one"],
    ),
}


@pytest.mark.parametrize(("change", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_answered_with_line_place_and_remedy(
    change: tuple[str, str], expected: list[str], tmp_path: Path
) -> None:
    assert GOOD.count(change[0]) == 1

    assert sorted(problems(tmp_path, GOOD.replace(*change))) == expected


def test_a_duplicate_campaign_id_is_told(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, GOOD + SECOND.format(name="guides").replace("promo", "guide"))

    assert problem.startswith("plan.yaml:1: file: campaign id 'guides' stands 2 times; keep one")


def test_a_promo_without_a_button_is_told(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD + SECOND.format(name="promos")) == [
        "plan.yaml:16: campaigns[1]: promo variant 'one' needs at least one CTA"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but a comment\n",
        "just words\n",
        "- a list\n",
        "campaigns: [\n",
        "campaigns: !secret x\n",
        "version: 2026-13-45\n",
        "? [a, b]\n: c\n",
        "? {a: 1}\n: c\n",
        "\x00",
        "a: *nowhere\n",
        "a: &a [*a]\n",
        "campaigns: 5\n",
        "campaigns: [1]\n",
    ],
)
def test_a_file_that_is_no_plan_at_all_is_an_error_and_not_a_crash(
    text: str, tmp_path: Path
) -> None:
    found = problems(tmp_path, text)

    assert found
    assert all(problem.startswith("plan.yaml:") for problem in found)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(b"\xff\xfe\x00campaigns")

    with pytest.raises(PlanError, match="no valid YAML"):
        load_plan(path, CHANNELS)


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_file_that_cannot_be_read_names_the_setting(name: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="set FINGERPOST_CAMPAIGNS to the campaign file"):
        load_plan(tmp_path / name, CHANNELS)


def test_a_campaign_without_channels_names_both_remedies(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD)

    with pytest.raises(PlanError) as caught:
        load_plan(path, {})

    assert "campaign 'guides' has no channels" in str(caught.value)
    assert "GUIDES_CHAT_IDS_JSON" in str(caught.value)


def test_the_same_channel_twice_in_the_environment_is_told(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD)

    with pytest.raises(PlanError, match="GUIDES_CHAT_IDS_JSON: channel '-1' stands twice"):
        load_plan(path, {"guide": ("-1", "-1")})


def test_a_campaign_too_large_for_the_log_is_told_with_its_remedy(tmp_path: Path) -> None:
    variants = [f"      - id: v{number}\n        text: {'ä' * 4000}\n" for number in range(70)]
    fitting, large = ("".join(variants[:count]) for count in (60, 70))
    begin = GOOD[: GOOD.index("      - id: one")]
    path = tmp_path / "plan.yaml"
    path.write_text(begin + fitting, encoding="utf-8")

    assert len(load_plan(path, CHANNELS)[0].variants) == 60
    assert problems(tmp_path, begin + large) == [
        (
            "plan.yaml: campaign 'guides' is 549 KiB of JSON, the log takes 512;"
            " share its variants or channels out to several campaigns"
        )
    ]


def test_the_interval_can_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD)

    [guides] = load_plan(path, CHANNELS, every=timedelta(seconds=15))

    assert guides.schedule.every == timedelta(seconds=15)
    assert guides.schedule.phase == timedelta(0)


# --- the file that ships ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> tuple[Campaign, ...]:
    return load_plan(DEFAULT, CHANNELS)


def test_four_guides_and_four_promos_ship(shipped: tuple[Campaign, ...]) -> None:
    variants = {campaign.kind: len(campaign.variants) for campaign in shipped}

    assert variants == {"guide": 4, "promo": 4}
    assert {campaign.schedule.every for campaign in shipped} == {timedelta(hours=4)}


def test_every_promo_that_ships_has_a_button(shipped: tuple[Campaign, ...]) -> None:
    promos = [variant for plan in shipped if plan.kind == "promo" for variant in plan.variants]

    assert [variant.id for variant in promos if not variant.ctas] == []


def test_all_that_ships_keeps_telegrams_limits(shipped: tuple[Campaign, ...]) -> None:
    variants = [variant for plan in shipped for variant in plan.variants]

    assert max(len(variant.text.encode("utf-16-le")) // 2 for variant in variants) <= 4096
    assert max(len(variant.ctas) for variant in variants) <= 8
    assert TOKEN_LIMIT == 64
    assert {len(cta.label) <= 40 for variant in variants for cta in variant.ctas} == {True}


def test_no_two_texts_that_ship_are_alike(shipped: tuple[Campaign, ...]) -> None:
    texts = [variant.text for plan in shipped for variant in plan.variants]

    assert len(set(texts)) == 8
