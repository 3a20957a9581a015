"""docs/providers.md: the names of its tables are those of the program."""

import json
import re
from pathlib import Path

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from openai.types.responses.response_create_params import ResponseCreateParamsBase

from lanes.dialects.table import DIALECTS
from lanes.server.routes.table import ROUTES
from lanes.simulate.faults import FAULTS
from tests.dialects.fields import DECIDED, SAMPLES, written

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
PAGE = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")


def test_every_name_of_the_simulated_provider_is_told() -> None:
    for name, (number, what) in FAULTS.items():
        of = "" if number is None else f" (N: {number})"
        assert f"| `{name}{'' if number is None else '-N'}` | {what}{of} |" in PAGE


def test_the_clients_that_were_tried_are_those_that_are_pinned() -> None:
    """The tables of ``make clients`` and ``make live`` name each, in the version that is installed for it."""
    wanted = re.findall(r"^([a-z-]+)", (REQUIREMENTS / "clients.in").read_text(encoding="utf-8"), re.MULTILINE)
    locked = (REQUIREMENTS / "clients.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z-]+)==(\S+)", locked, re.MULTILINE))
    assert _tried("clients: clients") == {(name, pinned[name]) for name in wanted}
    packages = json.loads((REQUIREMENTS / "live" / "sdk" / "package.json").read_text(encoding="utf-8"))["dependencies"]
    del packages["ai"]  # which asks by the others
    assert _tried("live: ai-sdk") == set(packages.items())


def _tried(table: str) -> set[tuple[str, str]]:
    """The names and versions in a table; nothing in it failed."""
    text = PAGE.partition(f"<!-- {table} -->")[2].partition("<!-- end")[0]
    assert "no: " not in text
    rows = re.findall(r"^\| (\S+) \| (\d\S*) \|", text, re.MULTILINE)
    assert rows
    return set(rows)


def test_the_tables_of_fields_say_what_becomes_of_each() -> None:
    """`python -m tests.dialects` writes them."""
    assert written(PAGE) == PAGE


@pytest.mark.parametrize(
    ("dialect", "known"), [("chat", CompletionCreateParamsBase), ("responses", ResponseCreateParamsBase)]
)
def test_the_tables_of_fields_have_every_field_of_the_client(dialect: str, known: type) -> None:
    assert set(known.__annotations__) - DECIDED <= set(SAMPLES[dialect])


def test_each_dialect_has_its_route() -> None:
    paths = {route.path for route in ROUTES if route.method == "POST"}
    for dialect in DIALECTS.values():
        assert f"/v1/{dialect.route}" in paths
        assert f"`{dialect.name}`" in PAGE
