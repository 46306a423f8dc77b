"""What stands under `contracts/` is what the models say, and old logs can still be read."""

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from contracts.envelope import Envelope
from contracts.events import (
    EVENTS,
    CampaignDefined,
    Event,
    GuideDue,
    MessageFailed,
    PromoDue,
    SlotMissed,
)
from contracts.examples import example

Schema = dict[str, Any]

every_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)


def test_the_files_on_disk_are_what_the_generator_makes(generate: ModuleType) -> None:
    stale = [path.name for path, text in generate.files().items() if path.read_text() != text]

    assert stale == [], "run: python contracts/generate.py"


def test_no_file_on_disk_is_left_over_from_an_event_that_is_gone(generate: ModuleType) -> None:
    folders = [generate.ROOT / "schemas", generate.ROOT / "examples"]
    on_disk = {path for folder in folders for path in folder.iterdir()}

    assert on_disk == {path for path in generate.files() if path.parent in folders}


@every_event
def test_a_golden_example_reads_back_as_the_canonical_example(
    event: type[Event], root: Path
) -> None:
    golden = root / "contracts" / "examples" / f"{event.fact()}.v1.json"

    assert Envelope.parse(golden.read_bytes()).data == example(event)


@pytest.mark.parametrize(
    "event", [CampaignDefined, GuideDue, PromoDue, SlotMissed], ids=lambda event: event.__name__
)
def test_an_event_from_before_its_new_fields_reads_as_it_did(
    event: type[Event], root: Path
) -> None:
    first = root / "tests" / "contract" / "published" / f"{event.fact()}.v1.first.json"

    read = Envelope.parse(first.read_bytes())

    before = json.loads(first.read_text())["data"]
    now = json.loads(read.document())["data"]
    assert {name: _known(now[name], value) for name, value in before.items()} == before


def _known(now: Any, before: Any) -> Any:
    """Leave out of `now` what `before` could not say yet; it has its default."""
    if isinstance(before, dict):
        return {name: _known(now[name], value) for name, value in before.items()}
    if isinstance(before, list):
        return [_known(*pair) for pair in zip(now, before, strict=True)]
    return now


@every_event
def test_a_golden_example_is_written_again_as_it_was_read(event: type[Event], root: Path) -> None:
    text = (root / "contracts" / "examples" / f"{event.fact()}.v1.json").read_text()

    written = json.loads(Envelope.parse(text.encode()).document())

    assert json.dumps(written, indent=2, ensure_ascii=False) + "\n" == text


@every_event
def test_a_golden_example_keeps_the_published_schema(event: type[Event], root: Path) -> None:
    name = f"{event.fact()}.v1.json"
    schema = json.loads((root / "contracts" / "schemas" / name).read_text())
    data = json.loads((root / "contracts" / "examples" / name).read_text())["data"]
    validator = jsonschema.Draft202012Validator(schema)

    assert list(validator.iter_errors(data)) == []
    assert not validator.is_valid({**data, "misspelt": 1})


def published_versions(root: Path) -> list[Any]:
    """Return a case for every version that git knows of every schema of an event."""
    if not (root / ".git").exists():
        reason = "no git checkout: the history of contracts/schemas is not there to compare with"
        return [pytest.param("", "", marks=pytest.mark.skip(reason=reason))]
    log = _git(root, "log", "--format=%H", "--", "contracts/schemas").split()
    versions = {}
    for commit in log:
        tree = _git(root, "ls-tree", commit, "contracts/schemas/")
        for line in tree.splitlines():
            blob, path = line.split()[2], line.split("\t")[1]
            if not path.endswith("/campaigns.json"):
                versions[path, blob] = commit
    return [
        pytest.param(path, commit, id=f"{Path(path).name}@{commit[:7]}")
        for (path, _), commit in versions.items()
    ]


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(("path", "commit"), published_versions(Path(__file__).parents[2]))
def test_todays_readers_understand_every_schema_that_was_ever_published(
    path: str, commit: str, root: Path, generate: ModuleType
) -> None:
    published = json.loads(_git(root, "show", f"{commit}:{path}"))
    now = {f"{event.fact()}.v1.json": generate.schema_of(event) for event in EVENTS}
    name = Path(path).name

    assert name in now, f"{name} was published and has no reader any more"
    generate.refuse_incompatible(name, published, now[name])


def adds_a_required_field(schema: Schema) -> None:
    schema["properties"]["tone"] = {"type": "string"}
    schema["required"].append("tone")


def removes_a_field(schema: Schema) -> None:
    del schema["properties"]["retry_at"]


def narrows_an_enum(schema: Schema) -> None:
    schema["properties"]["failure"]["enum"].remove("target")


def retypes_a_field(schema: Schema) -> None:
    schema["properties"]["attempt"] = {"type": "string"}


def adds_an_optional_field(schema: Schema) -> None:
    schema["properties"]["tone"] = {"type": "string", "default": ""}


def widens_an_enum(schema: Schema) -> None:
    schema["properties"]["failure"]["enum"].append("weather")


@pytest.mark.parametrize(
    "change", [adds_a_required_field, removes_a_field, narrows_an_enum, retypes_a_field]
)
def test_a_change_that_old_logs_do_not_survive_is_refused(
    change: Callable[[Schema], None], generate: ModuleType
) -> None:
    published = generate.schema_of(MessageFailed)
    new = copy.deepcopy(published)
    change(new)

    with pytest.raises(generate.IncompatibleSchemaError, match="publish a new version"):
        generate.refuse_incompatible(MessageFailed.type, published, new)


@pytest.mark.parametrize("change", [adds_an_optional_field, widens_an_enum])
def test_a_change_that_old_logs_survive_is_accepted(
    change: Callable[[Schema], None], generate: ModuleType
) -> None:
    published = generate.schema_of(MessageFailed)
    new = copy.deepcopy(published)
    change(new)

    assert new != published
    generate.refuse_incompatible(MessageFailed.type, published, new)
