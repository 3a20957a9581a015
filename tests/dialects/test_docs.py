"""docs/providers.md: the names of its tables are those of the program."""

import re
from pathlib import Path

from lanes.dialects.table import DIALECTS
from lanes.server.routes.table import ROUTES
from lanes.simulate.faults import FAULTS

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
PAGE = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")


def test_every_name_of_the_simulated_provider_is_told() -> None:
    for name, (number, what) in FAULTS.items():
        of = "" if number is None else f" (N: {number})"
        assert f"| `{name}{'' if number is None else '-N'}` | {what}{of} |" in PAGE


def test_the_clients_that_were_tried_are_those_that_are_pinned() -> None:
    """The table of ``make clients`` has a row for each, in the version that is installed for it."""
    wanted = re.findall(r"^([a-z-]+)", (REQUIREMENTS / "clients.in").read_text(encoding="utf-8"), re.MULTILINE)
    pinned = dict(re.findall(r"^([a-z-]+)==(\S+)", (REQUIREMENTS / "clients.txt").read_text(), re.MULTILINE))
    table = PAGE.partition("<!-- clients: clients -->")[2].partition("<!-- end")[0]
    told = {
        (name, version) for name, version, _ in re.findall(r"^\| ([a-z-]+) \| (\S+) \| (\w+) \|", table, re.MULTILINE)
    }
    assert told - {("client", "version")} == {(name, pinned[name]) for name in wanted}
    assert "no: " not in table


def test_each_dialect_has_its_route() -> None:
    paths = {route.path for route in ROUTES if route.method == "POST"}
    for dialect in DIALECTS.values():
        assert f"/v1/{dialect.route}" in paths
        assert f"`{dialect.name}`" in PAGE
