"""Which pages there are."""

from collections.abc import Callable
from pathlib import Path

from tests.house.modules import ROOT
from tests.reference.commands import commands_page
from tests.reference.filters import PAGE, operations_page
from tests.reference.http import http_page

PAGES: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "commands.md": commands_page,
    ROOT / "docs" / "http.md": http_page,
    PAGE: operations_page,
}
