"""Every broken campaign file is answered with its file and line, the place, and a remedy."""

import json
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from contracts import campaign as contract
from contracts.campaign import Campaign, CampaignFile, IntervalSchedule
from contracts.token import TOKEN_LIMIT
from scheduler import plan_file
from scheduler.plan_file import PlanError, PlanFile

ROOT = Path(__file__).parents[3]
DEFAULT = ROOT / "deploy" / "campaigns" / "default.yaml"
REFERENCE = (ROOT / "deploy" / "campaigns" / "README.md").read_text(encoding="utf-8")
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
        PlanFile(path, CHANNELS).load()
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def test_a_good_file_is_read_and_gets_the_channels_of_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD)

    [guides] = PlanFile(path, CHANNELS).load()

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
    "unclosed tag": (
        ("text: Read this.", "text: Read <b>this.\n        format: html"),
        [
            (
                "plan.yaml:11: campaigns[0].variants[0].text: line 1, column 6: Can't find end tag"
                ' corresponding to start tag "b"; close it by </b>'
            )
        ],
    ),
    "unknown format": (
        ("text: Read this.", "text: Read this.\n        format: rtf"),
        [
            (
                "plan.yaml:12: campaigns[0].variants[0].format: unknown format 'rtf';"
                " write plain, html or markdown"
            )
        ],
    ),
    "album of one": (
        ("        text: Read this.", "        album: [{kind: photo, file_id: AB}]"),
        [
            (
                "plan.yaml:10: campaigns[0].variants[0].album_text:"
                " an album takes no buttons: write album_text, the message below it that has them"
            ),
            (
                "plan.yaml:11: campaigns[0].variants[0].album:"
                " an album has 2 to 10 items; write a single one as media"
            ),
        ],
    ),
    "medium without a source": (
        ("        text: Read this.", "        media: {kind: photo}"),
        [
            (
                "plan.yaml:11: campaigns[0].variants[0].media:"
                " needs one source: url, or file_id; give one of them"
            )
        ],
    ),
    "unknown placeholder": (
        ("text: Read this.", "text: Read {it}.\n        placeholders: true"),
        [
            (
                "plan.yaml:11: campaigns[0].variants[0].text: unknown placeholder {it};"
                " write one of {campaign}, {channel}, {date}, {time}, or {{ for the sign {"
            )
        ],
    ),
    "button of no kind": (
        ("          - kind: link\n            label", "          - label"),
        [
            (
                "plan.yaml:13: campaigns[0].variants[0].ctas[0]:"
                " say which kind of button it is: kind: callback, bot, deep_link, link or copy"
            )
        ],
    ),
    "unreadable interval": (
        ("every: 4h", "every: often"),
        ["plan.yaml:8: campaigns[0].schedule.every: write a duration such as 4h, 1h30m or 45s"],
    ),
    "absurd interval": (
        ("every: 4h", "every: 999999999d24h"),
        ["plan.yaml:8: campaigns[0].schedule.every: is too long; shorten it"],
    ),
    "field that stands twice": (
        ("    title: Guides", "    title: Guides\n    title: Other"),
        ["plan.yaml:6: title: stands twice; keep one"],
    ),
}


@pytest.mark.parametrize(("change", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_answered_with_line_place_and_remedy(
    change: tuple[str, str], expected: list[str], tmp_path: Path
) -> None:
    assert GOOD.count(change[0]) == 1

    assert sorted(problems(tmp_path, GOOD.replace(*change))) == expected


def test_a_duplicate_campaign_id_is_told(tmp_path: Path) -> None:
    text = GOOD + SECOND.format(name="guides").replace("promo", "guide")

    assert problems(tmp_path, text) == [
        "plan.yaml:16: campaigns[1]: campaign id 'guides' stands 2 times; keep one"
    ]


def test_a_promo_without_a_button_is_told(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD + SECOND.format(name="promos")) == [
        (
            "plan.yaml:20: campaigns[1].variants[0]: promo variant 'one' needs at least one CTA;"
            " list one under ctas:"
        )
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

    with pytest.raises(PlanError, match=r"plan.yaml:1: file: is no UTF-8 text"):
        PlanFile(path, CHANNELS).load()


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_file_that_cannot_be_read_names_the_setting(name: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="name a campaign file"):
        PlanFile(tmp_path / name, CHANNELS).load()


def test_a_campaign_without_channels_names_both_remedies(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD)

    with pytest.raises(PlanError) as caught:
        PlanFile(path, {}).load()

    assert "plan.yaml:3: campaigns[0]: has no channels; list some" in str(caught.value)
    assert "GUIDES_CHAT_IDS_JSON" in str(caught.value)


def test_the_same_channel_twice_in_the_environment_is_told(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD)

    with pytest.raises(PlanError, match="GUIDES_CHAT_IDS_JSON: channel '-1' stands twice"):
        PlanFile(path, {"guide": ("-1", "-1")}).load()


def test_a_campaign_too_large_for_the_log_is_told_with_its_remedy(tmp_path: Path) -> None:
    variants = [f"      - id: v{number}\n        text: {'ä' * 4000}\n" for number in range(70)]
    fitting, large = ("".join(variants[:count]) for count in (60, 70))
    begin = GOOD[: GOOD.index("      - id: one")]
    path = tmp_path / "plan.yaml"
    path.write_text(begin + fitting, encoding="utf-8")

    assert len(PlanFile(path, CHANNELS).load()[0].variants) == 60
    assert problems(tmp_path, begin + large) == [
        (
            "plan.yaml:3: campaigns[0]: is 560 KiB of JSON, the log takes 512;"
            " share its variants or channels out to several campaigns"
        )
    ]


UNCLEAR = {
    "impossible start": (
        "start: 2026-02-30",
        ("7: campaigns[0].start: '2026-02-30': day is out of range for month; correct the date"),
    ),
    "start without a date": (
        "start: 22:00",
        (
            "7: campaigns[0].start: '22:00' must be a date such as 2026-12-01, "
            "2026-12-01T09:00 or 2026-12-01T09:00+01:00"
        ),
    ),
    "start as a number": (
        "start: 20261201",
        ("7: campaigns[0].start: write a date such as 2026-12-01, 2026-12-01T09:00 or with +01:00"),
    ),
    "end before start": (
        "start: 2026-12-02\nend: 2026-12-01",
        (
            "8: campaigns[0].end: end lies before start; no slot would ever come: correct one"
            " of them"
        ),
    ),
    "six-field cron": (
        'schedule:\n  cron: "0 0 9 * * *"',
        (
            "8: campaigns[0].schedule.cron: '0 0 9 * * *' must have five fields: minute hour "
            "day-of-month month day-of-week, such as 0 9 * * mon-fri"
        ),
    ),
    "wrong field of a cron schedule": (
        'schedule:\n  cron: "0 9 * * *"\n  zone: Berlin',
        (
            "9: campaigns[0].schedule.zone: 'Berlin' is not an IANA time zone; write one such"
            " as Europe/Berlin"
        ),
    ),
    "unknown field of the second schedule": (
        'schedules:\n  - every: 4h\n  - cron: "0 9 * * *"\n    colour: red',
        ("10: campaigns[0].schedules[1].colour: unknown field; remove it or correct its name"),
    ),
    "cron beside an interval": (
        'schedule:\n  cron: "0 9 * * *"\n  every: 4h',
        (
            "9: campaigns[0].schedule.every: stands beside cron; remove one of them, or list "
            "two schedules"
        ),
    ),
    "zone of an interval": (
        "schedule:\n  every: 4h\n  zone: Europe/Berlin",
        (
            "9: campaigns[0].schedule.zone: counts for cron only; remove it: intervals lie on"
            " the UTC grid"
        ),
    ),
    "schedule that is a text": (
        "schedule: 4h",
        "7: campaigns[0].schedule: must be made of fields: every: 4h, or cron: 0 9 * * *",
    ),
    "phase as long as the interval": (
        "schedule:\n  every: 1h\n  phase: 1h",
        "9: campaigns[0].schedule.phase: phase must be shorter than every; shorten it",
    ),
    "schedule and schedules": (
        "schedule:\n  every: 4h\nschedules:\n  - every: 5h",
        (
            "10: campaigns[0].schedules: give schedule for one, or schedules for several; "
            "remove one of the two"
        ),
    ),
    "no schedules": (
        "schedules: []",
        ("7: campaigns[0].schedules: is empty; list at least one schedule, or remove schedules"),
    ),
    "21 schedules": (
        "schedules:" + "\n  - every: 4h" * 21,
        "8: campaigns[0].schedules: has too many items; 20 at most",
    ),
    "no limit": (
        "limit: 0",
        "7: campaigns[0].limit: must be at least 1; remove it where there is no limit",
    ),
    "limit in quotes": (
        'limit: "3"',
        "7: campaigns[0].limit: must be a whole number, without quotes",
    ),
    "on for true": (
        "enabled: on",
        "7: campaigns[0].enabled: must be true or false, without quotes",
    ),
    "quiet hours of one time": (
        "quiet_hours: 22:00",
        ("7: campaigns[0].quiet_hours: '22:00' must be two times of day such as 22:00-07:00"),
    ),
    "second quiet hours": (
        "quiet_hours:\n  - 22:00-07:00\n  - 7-8",
        ("9: campaigns[0].quiet_hours[1]: '7-8' must be two times of day such as 22:00-07:00"),
    ),
    "quiet all day": (
        "quiet_hours: [06:00-18:00, 18:00-07:00]",
        (
            "7: campaigns[0].quiet_hours: leave no minute of the day for a post; shorten or "
            "remove one"
        ),
    ),
    "blackout of a date that is none": (
        "blackouts: 2026-02-29",
        (
            "7: campaigns[0].blackouts: '2026-02-29': day is out of range for month; correct "
            "the date"
        ),
    ),
    "blackout backwards": (
        "blackouts:\n  - 2026-12-26..2026-12-24",
        (
            "8: campaigns[0].blackouts[0]: '2026-12-26..2026-12-24' ends before it begins; "
            "exchange the two dates"
        ),
    ),
    "interval without a unit": (
        "schedule:\n  every: 4",
        ("8: campaigns[0].schedule.every: has no unit; write a duration such as 4h, 1h30m or 45s"),
    ),
    "channel that is none": (
        "channels: ['@one', -100]",
        (
            "7: campaigns[0].channels[0]: is no channel; write a chat id such as "
            "-1001234567890 or a name such as '@news', of 4 to 32 letters, digits and _"
        ),
    ),
    "channel twice": (
        "channels:\n  - -100\n  - '-100'",
        "9: campaigns[0].channels[1]: channel '-100' stands 2 times; keep one",
    ),
    "catch_up.max without all": (
        "catch_up:\n  max: 5",
        (
            "8: campaigns[0].catch_up.max: catch_up.max counts for policy all only; remove "
            "it, or write policy: all"
        ),
    ),
    "two contradictions": (
        "end: 2026-01-01\nstart: 2026-01-02\nschedule: {every: 1h}\njitter: 1h",
        (
            "7: campaigns[0].end: end lies before start; no slot would ever come: correct one"
            " of them"
            "\n10: campaigns[0].jitter: jitter and channel_offset delay the last channel by up "
            "to 1:00:00, which is not less than the interval of 1:00:00; shorten them"
        ),
    ),
    "name that begins with @": (
        "channels: @news",
        (
            "7: file: no valid YAML: found character that cannot start any token; put a text that"
            " begins with * @ & ! % or `, or that contains ': ' or ' #', in quotes"
        ),
    ),
}


@pytest.mark.parametrize(("lines", "expected"), UNCLEAR.values(), ids=UNCLEAR)
def test_a_plan_of_unclear_times_is_answered_at_the_line_of_the_field(
    lines: str, expected: str, tmp_path: Path
) -> None:
    timed = "".join(f"    {line}\n" for line in lines.split("\n"))

    found = problems(tmp_path, GOOD.replace("    schedule:\n      every: 4h\n", timed))

    assert found == [f"plan.yaml:{problem}" for problem in expected.split("\n")]


def test_every_error_of_a_file_is_told_at_once_in_the_order_of_its_lines(tmp_path: Path) -> None:
    text = GOOD.replace("4h", "often").replace("Guides", "5").replace("guides", "My guides")

    assert problems(tmp_path, text + SECOND.format(name="promos")) == [
        (
            "plan.yaml:3: campaigns[0].id:"
            " use 1 to 64 of a-z, 0-9, _ and -, the first of them a letter or digit"
        ),
        "plan.yaml:5: campaigns[0].title: must be a text; write it in quotes",
        "plan.yaml:8: campaigns[0].schedule.every: write a duration such as 4h, 1h30m or 45s",
        (
            "plan.yaml:20: campaigns[1].variants[0]: promo variant 'one' needs at least one CTA;"
            " list one under ctas:"
        ),
    ]


def test_a_button_that_is_a_text_is_told_what_buttons_are_made_of(tmp_path: Path) -> None:
    begin = GOOD[: GOOD.index("          - kind")]

    assert problems(tmp_path, begin + "          - Read\n") == [
        (
            "plan.yaml:13: campaigns[0].variants[0].ctas[0]:"
            " must be made of fields such as kind: link"
        )
    ]


def test_names_of_shapes_never_stand_in_a_place(tmp_path: Path) -> None:
    text = GOOD.replace("label: Read", "link: Read").replace(
        "every: 4h", "every: 4h\n      cron: 5"
    )

    places = [problem.split(": ")[1] for problem in problems(tmp_path, text)]

    assert places == [
        "campaigns[0].schedule.every",
        "campaigns[0].schedule.cron",
        "campaigns[0].variants[0].ctas[0].label",
        "campaigns[0].variants[0].ctas[0].link",
    ]
    assert {name for name, shapes in several_shapes() if len(shapes) > 1} == plan_file._UNIONS


def test_words_that_older_yaml_takes_for_something_else_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD.replace("title: Guides", "title: on").replace("label: Read", "label: No"))

    [guides] = PlanFile(path, CHANNELS).load()

    assert guides.title == "on"
    assert guides.variants[0].ctas[0].label == "No"


def test_merged_fields_are_found_where_they_are_written(tmp_path: Path) -> None:
    merged = GOOD.replace("    zone: Europe/Berlin\n", "    zone: &zone Mars\n")
    second = (
        GOOD[GOOD.index("  - id") :].replace("guides", "more").replace("Europe/Berlin", "*zone")
    )

    found = problems(tmp_path, merged + second)

    assert [problem.split(": ")[:2] for problem in found] == [
        ["plan.yaml:6", "campaigns[0].zone"],
        ["plan.yaml:6", "campaigns[1].zone"],
    ]


@pytest.mark.parametrize("opener", ["[", "{a: ", "- ", "? "])
def test_a_file_nested_without_end_is_an_error_and_not_a_crash(opener: str, tmp_path: Path) -> None:
    [problem] = problems(tmp_path, opener * 20_000)

    assert problem == "plan.yaml:1: file: lies too deep within itself; write it out"


def test_a_network_of_many_channels_is_read_without_going_through_the_file_for_each(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plan.yaml"
    begin = GOOD.replace("    zone", "    channels: {channels}\n    zone")
    path.write_text(begin.replace("{channels}", json.dumps(list(range(-20_000, 0)))))

    [guides] = PlanFile(path, {}).load()

    assert len(guides.channels) == 20_000


def test_delays_count_the_channels_of_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD.replace("    zone", "    channel_offset: 2h\n    zone"))

    assert PlanFile(path, CHANNELS).load()
    with pytest.raises(PlanError, match=r"yaml:6: campaigns\[0\].channel_offset: jitter and"):
        PlanFile(path, {"guide": ("-1", "-2", "-3")}).load()


def test_to_try_out_an_interval_replaces_all_timing(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    timing = """\
    schedules: [{cron: "@daily"}, {every: 5h}]
    start: 2026-01-01
    end: 2026-01-02
    limit: 3
    quiet_hours: 22:00-23:00
    blackouts: 2026-12-24
    jitter: 1m
    channel_offset: 1s
"""
    path.write_text(GOOD.replace("    schedule:\n      every: 4h\n", timing))
    bare = GOOD.replace("every: 4h", "every: 15s")

    found = PlanFile(path, CHANNELS, every=timedelta(seconds=15)).load()

    path.write_text(bare)
    assert found == PlanFile(path, CHANNELS).load()
    assert found[0].timing == (IntervalSchedule(every=timedelta(seconds=15)),)


@pytest.fixture
def file(tmp_path: Path) -> PlanFile:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD)
    return PlanFile(path, CHANNELS)


def test_a_file_changes_when_another_content_is_written(file: PlanFile) -> None:
    assert file.changed()
    file.load()
    assert not file.changed()

    file.path.write_text(GOOD + "\n")

    assert file.changed()
    assert not file.changed()


def test_a_file_replaced_by_one_of_the_same_size_and_time_has_changed(file: PlanFile) -> None:
    file.load()
    times = file.path.stat()
    other = file.path.with_name("other")
    other.write_text(GOOD)
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))

    other.replace(file.path)

    assert file.changed()


def test_a_file_that_goes_missing_changes_once_and_again_when_it_is_back(file: PlanFile) -> None:
    file.load()
    file.path.unlink()

    assert [file.changed(), file.changed()] == [True, False]
    with pytest.raises(PlanError, match="name a campaign file"):
        file.load()
    assert not file.changed()

    file.path.write_text(GOOD)
    assert [file.changed(), file.changed()] == [True, False]


def test_a_broken_file_is_not_read_again_until_it_changes(file: PlanFile) -> None:
    file.path.write_text("campaigns: []\n")

    with pytest.raises(PlanError):
        file.load()

    assert not file.changed()


def test_a_config_map_that_kubernetes_exchanges_is_seen(tmp_path: Path) -> None:
    for name, text in {"..v1": GOOD, "..v2": GOOD.replace("4h", "5h")}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "plan.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "plan.yaml").symlink_to(Path("..data") / "plan.yaml")
    file = PlanFile(tmp_path / "plan.yaml", CHANNELS)
    assert file.load()[0].timing == (IntervalSchedule(every=timedelta(hours=4)),)

    (tmp_path / "..data_tmp").symlink_to("..v2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    assert file.changed()
    assert file.load()[0].timing == (IntervalSchedule(every=timedelta(hours=5)),)
    assert not file.changed()


SCHEMA = json.loads((ROOT / "contracts" / "schemas" / "campaigns.json").read_text())
EDITOR = jsonschema.Draft202012Validator(SCHEMA)
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", REFERENCE, re.DOTALL | re.MULTILINE)
BARE = GOOD.replace("    schedule:\n      every: 4h\n", "")


def models() -> Iterator[type[BaseModel]]:
    return (
        model
        for model in vars(contract).values()
        if isinstance(model, type) and issubclass(model, contract.Plan) and model.model_fields
    )


def several_shapes() -> Iterator[tuple[str, list[str]]]:
    """Return each field with the models that its value, or an item of it, may be."""
    schema = CampaignFile.model_json_schema()
    for part in [schema, *schema["$defs"].values()]:
        for name, value in part["properties"].items():
            yield name, re.findall(r"#/\$defs/\w+'}", str({**value, "discriminator": None}))


def editors_problems(text: str) -> list[str]:
    values: Any = yaml.load(text, Loader=plan_file._Loader)  # noqa: S506  it is a safe one
    return [error.message for error in EDITOR.iter_errors(values)]


@pytest.mark.parametrize(
    "text",
    [DEFAULT.read_text(encoding="utf-8"), *BLOCKS],
    ids=lambda text: text.split("id: ")[1][:9],
)
def test_what_ships_and_every_example_for_owners_is_taken_by_editors_and_by_the_service(
    text: str, tmp_path: Path
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")

    assert editors_problems(text) == []
    assert PlanFile(path, CHANNELS).load()


TAKEN = [
    "enabled: false",
    "jitter: 0",
    "jitter: PT5M",
    "jitter: 1m 30s",
    "channels: -100",
    "channels: '@news'",
    "channels: [-100, '@news', '-200']",
    "quiet_hours: []",
    "quiet_hours: [22:00-07:00, 22:00-07:00]",
    "quiet_hours: 22:00 - 24:00",
    "quiet_hours: [22:00-07:00, 12:00-13:00]",
    "blackouts: 2026-12-24 .. 2026-12-26",
    "blackouts: [2026-12-24]",
    "start: null\n    end: null\n    limit: null",
    "start: 2026-12-01 09:00:30.5Z",
    "start: 2026-12-01T09:00+05:30",
    "schedule: {}",
    "schedule: {every: 1d, phase: 0}",
    "schedule: {cron: '@DAILY'}",
    "schedule: {cron: ' 0  9 * * MON-fri', zone: null, repeat_in_overlap: true}",
    "schedules: [{cron: '@hourly', zone: Asia/Tokyo}, {every: 90s}]",
    "catch_up: {policy: all, max: 3, window: 0}",
    "catch_up: {}",
    "rotation: weighted\n    rotation_scope: per_channel",
    "on_uncertain: drop",
]


@pytest.mark.parametrize("lines", TAKEN)
def test_editors_take_what_the_service_takes(lines: str, tmp_path: Path) -> None:
    text = BARE.replace("    variants", f"    {lines}\n    variants")
    path = tmp_path / "plan.yaml"
    path.write_text(text)

    assert PlanFile(path, CHANNELS).load()
    assert editors_problems(text) == []


BUTTON = "{kind: callback, label: a, answer: b}"
TAKEN_VARIANTS = [
    "media: {kind: photo, url: 'https://example.org/a.jpg'}",
    "text: a, media: {kind: video, file_id: AB, spoiler: true}",
    "text: '<b>a</b>', format: html, silent: true, protect: true, pin: true, topic: 7",
    "text: a, preview: off",
    "text: a, preview: {url: 'https://example.org/', size: small, above: true}",
    "text: '{date}', placeholders: true",
    "album: [{kind: photo, file_id: A}, {kind: video, file_id: B}]",
    "text: a, ctas: [{kind: deep_link, label: a, greeting: b}]",
    "text: a, ctas: [{kind: copy, label: a, copied: b}, {kind: copy, label: a, copied: b}]",
    f"text: a, ctas: [{BUTTON}, {{beside: true, {BUTTON[1:]}]",
]


@pytest.mark.parametrize("fields", TAKEN_VARIANTS)
def test_editors_take_the_variants_that_the_service_takes(fields: str, tmp_path: Path) -> None:
    text = BARE[: BARE.index("      - id: one")] + f"      - {{id: one, {fields}}}\n"
    path = tmp_path / "plan.yaml"
    path.write_text(text)

    assert PlanFile(path, CHANNELS).load()
    assert editors_problems(text) == []


BAD = [
    "colour: red",
    "enabled: on",
    "title: 5",
    "jitter: 5",
    "jitter: often",
    "channels: news",
    "channels: 1.5",
    "channels: [-100, -100]",
    "quiet_hours: 22:00",
    "quiet_hours: 22:00-24:01",
    "blackouts: Christmas",
    "start: 20261201",
    "start: tomorrow",
    "limit: 0",
    "limit: '3'",
    "limit: true",
    "schedule: 4h",
    "schedule: {every: 4}",
    "schedule: {cron: '0 0 9 * * *'}",
    "schedule: {cron: '@reboot'}",
    "schedule: {cron: '@daily', every: 4h}",
    "schedule: {every: 4h, zone: UTC}",
    "schedules: []",
    f"schedules: [{', '.join(['{}'] * 21)}]",
    "schedule: {}\n    schedules: [{}]",
    "catch_up: {max: 3}",
    "catch_up: {policy: some}",
    "catch_up: {policy: all, max: 1001}",
    "rotation: random",
    "kind: promo\n    variants: [{id: a, text: a}]",
    "variants: [{id: a, text: a, weight: 2}]",
    "variants: [{id: a, text: ' '}]",
    "variants: [{id: a}]",
    "variants: [{id: a, text: a, format: rtf}]",
    "variants: [{id: a, text: a, preview: on}]",
    "variants: [{id: a, text: a, pin: on}]",
    "variants: [{id: a, text: a, topic: 0}]",
    "variants: [{id: a, text: a, ctas: [{kind: copy, label: a, copied: ''}]}]",
    "variants: [{id: a, media: {kind: photo}}]",
    "variants: [{id: a, media: {kind: photo, url: a.jpg}}]",
    "variants: [{id: a, media: {kind: photo, url: 'https://a.org/', file_id: AB}}]",
    "variants: [{id: a, album: [{kind: photo, file_id: AB}]}]",
    "variants: [{id: a, text: a, album_text: b}]",
    "variants: [{id: a, text: a, ctas: [{kind: link, label: a, target: /x}]}]",
    f"variants: [{{id: a, text: a, ctas: [{{kind: callback, answer: a, label: {'a' * 65}}}]}}]",
    "variants: []",
]


@pytest.mark.parametrize("lines", BAD)
def test_what_a_schema_can_say_is_refused_by_editors_and_by_the_service(
    lines: str, tmp_path: Path
) -> None:
    given = re.findall(r"^ *(\w+):", lines, re.MULTILINE)
    begin, variants = BARE.split("    variants:\n")
    kept = [line for line in begin.splitlines() if line.strip().split(":")[0] not in given]
    rest = "" if "variants" in given else f"    variants:\n{variants}"
    text = "\n".join([*kept, f"    {lines}", rest])

    assert problems(tmp_path, text)
    assert editors_problems(text)


def test_the_reference_has_every_field_of_the_plan_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", REFERENCE, re.MULTILINE)

    assert sorted(rows) == sorted(field for model in models() for field in model.model_fields)


def test_the_reference_has_the_defaults_that_count() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (?:every )?`([^`]+)` \|", REFERENCE, re.MULTILINE))
    schemas = [SCHEMA, *SCHEMA["$defs"].values()]
    fields = {name: value for part in schemas for name, value in part["properties"].items()}
    shown = {name: value["default"] for name, value in fields.items() if "default" in value}

    assert {name: yaml.safe_load(text) for name, text in rows.items() if name in shown} == shown
    assert "every `4h`" in REFERENCE


def test_editors_can_describe_every_field() -> None:
    parts = [SCHEMA, *SCHEMA["$defs"].values()]

    assert all("description" in value for part in parts for value in part["properties"].values())
    assert SCHEMA["$id"] == "urn:fingerpost:schema:fingerpost.campaigns"
    assert SCHEMA["title"] == "Fingerpost: the campaign file"
    assert set(SCHEMA["properties"]) == set(CampaignFile.model_fields)


def test_the_file_that_ships_names_its_schema() -> None:
    [first, *_] = DEFAULT.read_text(encoding="utf-8").splitlines()
    path = first.removeprefix("# yaml-language-server: $schema=")

    assert (DEFAULT.parent / path).resolve() == ROOT / "contracts" / "schemas" / "campaigns.json"


@pytest.fixture(scope="module")
def shipped() -> tuple[Campaign, ...]:
    return PlanFile(DEFAULT, CHANNELS).load()


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
