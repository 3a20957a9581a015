"""The table of the fields of a filter, which stands in docs/operations.md between two marks."""

from lanes.filters import FIELDS
from lanes_storage.records import Subject
from tests.house.modules import ROOT

PAGE = ROOT / "docs" / "operations.md"
BEGIN, END = "<!-- the fields of a filter, from the program -->", "<!-- end -->"


def operations_page() -> str:
    """The page as it is, with the table as the program has it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{_table()}\n{END}{rest.partition(END)[2]}"


def _table() -> str:
    rows = [f"| `{field.example}` | {' | '.join(field.of(of) or '–' for of in Subject)} |" for field in FIELDS.values()]
    kinds = [f"- {_names(kind)}: {kind.value}." for kind in dict.fromkeys(field.kind for field in FIELDS.values())]
    return "\n".join(["| example | of a lane | of a message | of an event |", "|---|---|---|---|", *rows, "", *kinds])


def _names(kind: object) -> str:
    return ", ".join(f"`{name}`" for name, field in FIELDS.items() if field.kind is kind)
