"""The table of ``docs/benchmarks.md``."""

from pathlib import Path

from lanes.bench.kit.rows import Result

BEGIN = "<!-- measured: written by `make bench` -->"
END = "<!-- /measured -->"


def markdown(facts: dict[str, str], results: list[Result], rounds: int) -> str:
    """The table, under the facts of the machine."""
    machine = "; ".join(f"{name}: {fact}" for name, fact in facts.items())
    rows = [
        f"| `{r.row.name}` | {r.row.description} | {r.row.target} | {r.figure} | {r.spread} | {r.verdict} "
        f"| {r.figures} |"
        for r in results
    ]
    head = ["| row | what | target | result | rounds | verdict | figures |", "|---|---|---|---|---|---|---|"]
    return "\n".join([f"{machine}. Medians of {rounds}.", "", *head, *rows])


def write_into(path: Path, table: str) -> None:
    """Put the table between its marks in a document. Raises ValueError where they are missing."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the table: it needs the lines {BEGIN} and {END}")
    path.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
