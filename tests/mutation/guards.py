"""The guards of the store: each condition that keeps a change of state from happening wrongly."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lanes_storage import statements
from lanes_storage.doors import releases
from lanes_storage.sqlite import dialect

#: Where the statements are, relative to the tree, and what defines them there.
MODULES = {
    Path("storage/lanes_storage/statements.py"): statements,
    Path("storage/lanes_storage/sqlite/dialect.py"): dialect,
}
RELEASES = Path("storage/lanes_storage/doors/releases.py")
#: Reads that a change of state rests on, beside everything that writes.
DECIDING_READS = {"CANDIDATES", "BOUND_CANDIDATES", "STANDING_RUN"}

TOKEN = re.compile(r"'[^']*'|\(|\)|\b(?:WHERE|AND|RETURNING|ORDER|GROUP|LIMIT|UNION|BETWEEN)\b")


@dataclass(frozen=True, slots=True)
class Guard:
    """One condition. ``subject`` runs in every test that can miss it; ``apply`` takes it away in a tree."""

    file: Path
    subject: str
    term: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """As the report names it."""
        return f"{self.subject}: {' '.join(self.term.split())}"

    def apply(self, tree: Path) -> None:
        """Let the condition always hold."""
        path = tree / self.file
        source = path.read_text(encoding="utf-8")
        if self.file == RELEASES:
            path.write_text(source[: self.start] + "True" + source[self.end :], encoding="utf-8")
            return
        text: str = getattr(MODULES[self.file], self.subject)
        changed = f"{text[: self.start]} 1 = 1 {text[self.end :]}"
        # the dialect is made from its statement when the module is imported
        ending = "\nSQLITE = Dialect(name='sqlite', heartbeat_runs=HEARTBEAT_RUNS)\n" if "dialect" in path.name else ""
        path.write_text(f"{source}\n{self.subject} = {changed!r}\n{ending}", encoding="utf-8")


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


def of_statements() -> Iterator[Guard]:
    """The conditions of every statement that writes, and of the reads that a change rests on."""
    for file, module in MODULES.items():
        for name, sql in vars(module).items():
            if not name.isupper() or name.startswith("_") or not isinstance(sql, str):
                continue
            if name in DECIDING_READS or re.search(r"\b(INSERT|UPDATE|DELETE)\b", sql):
                for start, end in sorted(terms(sql)):
                    yield Guard(file, name, sql[start:end], start, end)


def of_evidence() -> Iterator[Guard]:
    """What a judge's release asks once more before it lands."""
    source = Path(releases.__file__).read_text(encoding="utf-8")
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef) and function.name == "_still_so":
            (result,) = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
            assert isinstance(result.value, ast.BoolOp)
            for value in result.value.values:
                assert value.end_lineno is not None
                assert value.end_col_offset is not None
                start = starts[value.lineno - 1] + value.col_offset
                end = starts[value.end_lineno - 1] + value.end_col_offset
                yield Guard(RELEASES, "_still_so", source[start:end], start, end)


def all_guards() -> list[Guard]:
    """Every guard that a test must miss."""
    return [*of_statements(), *of_evidence()]
