"""The table: on a terminal, as Markdown for the documents, as JSON."""

from pathlib import Path
from typing import Any

from lanes.bench.rows import Result

BEGIN = "<!-- measured: written by `make bench` -->"
END = "<!-- /measured -->"


def heading() -> str:
    """The line above the first row."""
    return f"{'ROW':24} {'TARGET':>12} {'RESULT':>12}  {'':7}  FIGURES"


def line(result: Result) -> str:
    """One row for a terminal."""
    row, measured = result.row, result.measured
    figure = row.target.show(measured.value) if measured else "-"
    said = measured.said if measured else result.why
    return f"{row.name:24} {row.target!s:>12} {figure:>12}  {result.verdict:7}  {said}"


def form(facts: dict[str, str], results: list[Result]) -> dict[str, Any]:
    """Everything, as JSON shows it."""
    return {"machine": facts, "rows": [_row_form(result) for result in results]}


def _row_form(result: Result) -> dict[str, Any]:
    row, measured = result.row, result.measured
    return {
        "row": row.name,
        "what": row.what,
        "target": str(row.target),
        "value": measured.value if measured else None,
        "unit": row.target.unit,
        "verdict": result.verdict,
        "figures": measured.said if measured else result.why,
    }


def markdown(facts: dict[str, str], results: list[Result], rounds: int) -> str:
    """The table for the documents."""
    machine = "; ".join(f"{name}: {fact}" for name, fact in facts.items())
    rows = [
        f"| `{r.row.name}` | {r.row.what} | {r.row.target} |"
        f" {r.row.target.show(r.measured.value) if r.measured else '–'} |"
        f" {r.verdict} | {r.measured.said if r.measured else r.why} |"
        for r in results
    ]
    head = ["| row | what | target | result | verdict | figures |", "|---|---|---|---|---|---|"]
    return "\n".join([f"{machine}. Medians of {rounds}.", "", *head, *rows])


def write_into(path: Path, table: str) -> None:
    """Put the table between its marks in a document. Raises ValueError where they are missing."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the table: it needs the lines {BEGIN} and {END}")
    path.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
