"""The guards of the store: each condition that keeps a change of state from happening wrongly."""

import ast
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from lanes_storage import statements
from lanes_storage.doors.shared import ends

#: The function in which a judge's release asks once more for what it was decided on.
EVIDENCE = "_still_so"
PATTERNS = "a pause of one lane fits no key by a glob; pauses_of_lane has those of many in one place"
#: Conditions that follow from the others of their statement, and are there so that an index is used. Only the test of
#: the plans misses them.
SERVE_AN_INDEX = {
    "ANY_MOVED: moved_to IS NOT NULL": "it only saves a look for the head; messages_moved has only what was moved",
    "ANY_MOVED: state = 'queued'": "it only saves a look for the head; messages_moved has only what waits",
    "BOUND_CANDIDATES: p.lane_id IS NULL": PATTERNS,
    "CANDIDATES: p.lane_id IS NULL": PATTERNS,
    "CHOSEN_CANDIDATES: p.lane_id IS NULL": PATTERNS,
    "UNCHANGED_HEADS: p.lane_id IS NULL": PATTERNS,
    "BOUND_CANDIDATES: m.ended_at IS NULL": "a head has not ended; messages_bound has only what has not",
    "COUNT_SUSPECTS: l.run_id IS NOT NULL": "the join asks the same; lanes_held has only what is held",
    "FORGET_ANSWER: id = :run": "a message is the answer to one question; the key finds that",
    "HELD_RUNS: f.for_run = r.id": "nothing is given back that is meant for another run; messages_for_run has few",
    "PRUNE_MESSAGES: m.batch = messages.id": "who answers a message is of its batch; messages_batch finds those",
    "UNPARK: parked_for IS NOT NULL": "no name is in what is null; messages_parked has only what was parked for some",
    "WAITING_OF_OWNER: ended_at IS NULL": "what is queued has not ended; messages_bound has only what has not",
}

TOKEN = re.compile(r"'[^']*'|\(|\)|\b(?:WHERE|AND|RETURNING|ORDER|GROUP|LIMIT|UNION|BETWEEN|ON CONFLICT)\b")


@dataclass(frozen=True, slots=True)
class Guard:
    """One condition: ``text[start:end]`` of what ``subject`` names, a statement or a function."""

    subject: str
    text: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """As the report names it."""
        return f"{self.subject}: {' '.join(self.text[self.start : self.end].split())}"

    @property
    def without(self) -> str:
        """The text in which the condition always holds."""
        always = "True" if self.subject == EVIDENCE else " 1 = 1 "
        return self.text[: self.start] + always + self.text[self.end :]


def terms(sql: str) -> Iterator[tuple[int, int]]:
    """Where the conditions of every WHERE of a statement stand, those of inner statements too."""
    open_clauses: dict[int, int] = {}  # depth of parentheses: where the present term began
    depth = 0
    for token in TOKEN.finditer(sql):
        word = token[0]
        if word == "(":
            depth += 1
        elif word == ")":
            if depth in open_clauses:
                yield open_clauses.pop(depth), token.start()
            depth -= 1
        elif word == "WHERE":
            open_clauses[depth] = token.end()
        elif depth in open_clauses and not word.startswith("'"):
            assert word != "BETWEEN", "its AND is no conjunction"
            yield open_clauses.pop(depth), token.start()
            if word == "AND":
                open_clauses[depth] = token.end()
    for start in open_clauses.values():
        yield start, len(sql)


def modules() -> list[ModuleType]:
    """The modules of statements, those in folders too."""
    found = pkgutil.walk_packages(statements.__path__, f"{statements.__name__}.")
    return [statements, *(import_module(each.name) for each in found)]


def all_statements() -> dict[str, str]:
    """Every statement that writes, and every read that a write decides on, by name."""
    found: dict[str, str] = {}
    for module in modules():
        for name, value in vars(module).items():
            if name.isupper() and not name.startswith("_"):
                if isinstance(value, str) and not value.startswith("("):  # a part of others
                    assert found.setdefault(name, value) == value, f"two statements are called {name}"
                elif type(value) is tuple:  # several that belong together
                    found |= {f"{name}[{nth}]": sql for nth, sql in enumerate(value) if sql not in found.values()}
                elif name == "PRUNE":  # one for each kind of row
                    found |= {f"{name}_{kind}".upper(): sql for kind, sql in value.items()}
    return found


def of_evidence() -> Iterator[Guard]:
    """What a judge's release asks once more before it lands."""
    source = inspect.getsource(getattr(ends, EVIDENCE))
    assert source.isascii(), "columns are counted in bytes"
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    (result,) = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Return)]
    assert isinstance(result.value, ast.BoolOp)
    for value in result.value.values:
        assert value.end_lineno is not None
        assert value.end_col_offset is not None
        start = starts[value.lineno - 1] + value.col_offset
        yield Guard(EVIDENCE, source, start, starts[value.end_lineno - 1] + value.end_col_offset)


def all_guards() -> list[Guard]:
    """Every guard that a test must miss."""
    of_statements = [
        Guard(name, sql, start, end) for name, sql in all_statements().items() for start, end in sorted(terms(sql))
    ]
    return [*of_statements, *of_evidence()]
