"""The JSON of every form is what it was when it was recorded, byte for byte; fields are only added, and named.

``python -m tests.golden`` records the cases that are new. What was recorded once never changes: a field that a form
has beyond it is named in CHANGELOG.md (as ``Lane.source``), and one that is missing, moved or told in another way
breaks the programs that read it.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lanes import records
from tests.golden.told import told
from tests.house.modules import ROOT

RECORDED = Path(__file__).parent / "forms"
#: Besides these, what a bundle tells is recorded.
BY_NAME = {form.__name__: form for form in records.FORMS}
FORMS = sorted(path.stem for path in RECORDED.glob("*.json"))
NAMED = re.compile(r"`([A-Z][A-Za-z]*(?:\.[a-z_]+)+)`")


def recorded(form: str) -> dict[str, Any]:
    """The cases of a form as they were recorded, their fields in that order."""
    cases: dict[str, Any] = json.loads((RECORDED / f"{form}.json").read_text(encoding="ascii"))
    return cases


def as_it_was(then: Any, now: Any, path: str, added: set[str]) -> Any:
    """What is told today without the fields that were not recorded, whose names go to ``added``.

    A field is named by the form that declares it (``Attempt.status``), wherever that stands.
    """
    if isinstance(then, dict) and isinstance(now, dict):
        added |= {f"{_declaring(path, name)}.{name}" for name in now.keys() - then.keys()}
        return {
            name: as_it_was(then[name], value, _within(path, name), added)
            for name, value in now.items()
            if name in then
        }
    if isinstance(then, list) and isinstance(now, list):
        told = [as_it_was(one, other, path, added) for one, other in zip(then, now, strict=False)]
        return told + now[len(told) :]
    return now


def _fields(form: str) -> dict[str, tuple[str, str | None]]:
    """The fields of a form by their names in JSON: which form declares each, and which form it holds."""
    found: dict[str, tuple[str, str | None]] = {}
    record = BY_NAME.get(form)
    for field in () if record is None else record.fields():
        if field.inline is not None:
            found |= _fields(field.inline.__name__)
        else:
            held = field.kind.schema.get("items", field.kind.schema).get("$ref")
            found[field.json_name] = (form, held)
    return found


def _declaring(path: str, name: str) -> str:
    return _fields(path).get(name, (path, None))[0]


def _within(path: str, name: str) -> str:
    return _fields(path).get(name, (path, None))[1] or f"{path}.{name}"


def test_every_form_is_recorded() -> None:
    assert set(FORMS) == told().keys()
    for form, cases in told().items():
        assert recorded(form).keys() == cases.keys(), f"{form}: run python -m tests.golden"


@pytest.mark.parametrize("form", FORMS)
def test_the_json_of_a_form_is_what_it_was(form: str) -> None:
    for case, then in recorded(form).items():
        now = as_it_was(then, told()[form][case], form, set())
        assert json.dumps(now) == json.dumps(then), f"{form}, {case}"


@pytest.mark.parametrize("form", [form for form in FORMS if form in BY_NAME])
def test_every_field_that_was_added_is_named_in_the_changelog(form: str) -> None:
    added: set[str] = set()
    for case, then in recorded(form).items():
        as_it_was(then, told()[form][case], form, added)
    named = set(NAMED.findall((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
    assert added <= named


def test_a_change_is_noticed() -> None:
    then = {"key": "a", "owner": {"id": "1"}, "list": [{"x": 1}]}
    added: set[str] = set()
    now = {"key": "a", "owner": {"id": "1", "pid": 2}, "new": None, "list": [{"x": 1}]}
    assert json.dumps(as_it_was(then, now, "Form", added)) == json.dumps(then)
    assert added == {"Form.owner.pid", "Form.new"}
    moved = (
        {"owner": {"id": "1"}, "key": "a", "list": [{"x": 1}]},
        {"key": "a"},
        then | {"list": []},
        then | {"key": 1},
    )
    for wrong in moved:
        assert json.dumps(as_it_was(then, wrong, "Form", set())) != json.dumps(then)
