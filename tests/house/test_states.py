"""docs/states.md says what the law says, no more and no less."""

import re
from collections import defaultdict

from lanes_storage.law import (
    MAX_INTERRUPTIONS,
    MAX_SUSPECTS,
    MESSAGE_EDGES,
    TERMINAL,
    TRANSITIONS,
    LaneState,
    MessageState,
)
from tests.house.modules import ROOT

TEXT = (ROOT / "docs" / "states.md").read_text(encoding="utf-8")
LANES, MESSAGES = TEXT.split("\n## ")[1:]
START = "[*]"

Steps = dict[tuple[str, str], set[str]]


def drawn(section: str) -> Steps:
    """The arrows of the one diagram in a section, with the words on each."""
    (diagram,) = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", section, re.DOTALL)
    steps: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for line in diagram.strip().splitlines():
        arrow = re.fullmatch(r"\s*(\S+) --> (\w+)(?:: (.+))?", line)
        assert arrow is not None, f"not an arrow: {line}"
        assert (arrow[1], arrow[2]) not in steps, f"drawn twice: {line}"
        steps[arrow[1], arrow[2]] |= set((arrow[3] or "").split(", "))
    return dict(steps)


def table(section: str) -> list[list[str]]:
    """The cells of the one table in a section, without its head and without the marks of code."""
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_the_table_of_edges_is_the_law() -> None:
    written = {edge: (set(sources.split(", ")), target, who) for edge, sources, target, who, _ in table(LANES)}
    law = {str(t.edge): (set(map(str, t.sources)), str(t.target), t.used_by) for t in TRANSITIONS.values()}
    assert written == law
    assert len(table(LANES)) == len(TRANSITIONS)
    assert all(guard for *_, guard in table(LANES))


def test_the_diagram_of_lanes_is_the_law() -> None:
    law: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for transition in TRANSITIONS.values():
        for source in transition.sources:
            law[source, transition.target].add(transition.edge)
    assert drawn(LANES) == {(START, LaneState.IDLE): {"the first message"}} | law


def test_the_table_of_messages_is_the_law() -> None:
    law = {(str(source), str(target)) for source, targets in MESSAGE_EDGES.items() for target in targets}
    assert {(source, target) for source, target, _ in table(MESSAGES)} == law
    assert len(table(MESSAGES)) == len(law)
    assert all(when for *_, when in table(MESSAGES))


def test_the_diagram_of_messages_is_the_law() -> None:
    law = {(source, target) for source, targets in MESSAGE_EDGES.items() for target in targets}
    assert drawn(MESSAGES).keys() == {(START, MessageState.QUEUED)} | law


def test_the_words_around_are_the_law() -> None:
    (terminal,) = re.findall(r"^(.+) are terminal", MESSAGES, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", terminal)) == TERMINAL
    assert (MAX_INTERRUPTIONS, MAX_SUSPECTS) == (3, 8), "the last paragraph says these in words"
