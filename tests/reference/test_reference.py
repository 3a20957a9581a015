"""The documents and the program, held against each other in both directions."""

import re
import shlex
from pathlib import Path

import click
import pytest

from lanes.commands.common.app import COMMANDS, OF_VERBS, lanes
from lanes.commands.common.exits import Exit
from lanes.commands.common.options import GLOBALS
from lanes.server.routes.table import ROUTES
from tests.house.modules import ROOT
from tests.house.test_docs import DOCUMENTS
from tests.reference.commands import EXITS, JSON, every_command
from tests.reference.http import heading
from tests.reference.pages import PAGES

#: Commands that have no result to print as JSON.
SILENT = {"up", "gateway", "demo", "watch", "dashboard", "simulate provider", "bench", "completion"}
BLOCK = re.compile(r"^```(?:console|sh|bash|text)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(lanes [^`]+)`")
SHOWN = re.compile(r"^(lanes .+?)(?:[ \t]{2,}.*)?$", re.MULTILINE)
OPERATOR = re.compile(r"\s(?:\||>|&&|;|#|→)\s.*$|\s>\s?\S+$")


def shown_in(document: Path) -> list[str]:
    """The calls of lanes that a document shows, in blocks and in running text."""
    text = document.read_text(encoding="utf-8")
    blocks = "\n".join(BLOCK.findall(text))
    return [OPERATOR.sub("", call).strip() for call in [*SHOWN.findall(blocks), *INLINE.findall(text)]]


@pytest.mark.parametrize("path", PAGES, ids=[path.name for path in PAGES])
def test_the_page_is_what_the_program_is(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == PAGES[path](), "run python -m tests.reference"


@pytest.mark.parametrize("document", DOCUMENTS, ids=[d.name for d in DOCUMENTS])
def test_every_call_that_a_document_shows_exists(document: Path) -> None:
    known = dict(every_command())
    groups = {name.split()[0] for name in known if " " in name}
    for call in shown_in(document):
        words = shlex.split(call.replace("'", "")) if call.count("'") % 2 else shlex.split(call)
        words = [word for word in words[1:] if word not in ("--json", "--help")]
        if not words or words[0].startswith(("-", "[", ".")):
            continue
        name = " ".join(words[:2]) if words[0] in groups and len(words) > 1 else words[0]
        if name not in known and words[0] == "conversation":  # what follows is a key
            name = "conversation show"
        assert name in known or name in groups, f"{document.name} shows `{call}`"
        options = {opt for param in known[name].params for opt in param.opts} if name in known else set()
        for word in words:
            if word == "--":
                break
            if word.startswith("--"):
                assert word.partition("=")[0] in options, f"{document.name} shows `{call}`: there is no {word}"


def test_the_reading_of_documents_is_not_blind() -> None:
    calls = shown_in(ROOT / "docs" / "operations.md")
    assert any(call.startswith("lanes abort") for call in calls)
    assert len(calls) > 10


def test_every_command_of_a_document_is_complete() -> None:
    names = {name for name, _ in every_command()}
    assert JSON.keys() | SILENT == names
    assert EXITS.keys() <= names
    assert {name.split()[0] for name in names} >= {*COMMANDS, *OF_VERBS}


def test_every_exit_code_of_the_runbook_exists_and_the_other_way_round() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = text.partition("## Exit codes")[2]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == {code.value for code in Exit}


def test_every_route_is_on_its_page() -> None:
    page = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    assert re.findall(r"^## `(.+)`$", page, re.MULTILINE) == [heading(route) for route in ROUTES]


def test_global_options_are_told_once() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for option in GLOBALS:
        assert page.count(f"| `{', '.join(option.opts)}") == 1


def test_a_call_that_does_not_exist_is_seen(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.md"
    for call in ("lanes lst", "lanes list --hold", "lanes db restor x.db"):
        wrong.write_text(f"```console\n{call}\n```\n")
        with pytest.raises(AssertionError):
            test_every_call_that_a_document_shows_exists(wrong)


def test_every_command_can_be_looked_up_by_click() -> None:
    context = click.Context(lanes)
    assert all(lanes.get_command(context, name) for name in (*COMMANDS, *OF_VERBS))
