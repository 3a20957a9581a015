"""Shell completion of session keys. Anything that goes wrong completes to nothing: a shell shows no errors."""

import contextlib
from typing import TYPE_CHECKING, Any

import click

from lanes.base.errors import LanesError
from lanes.base.terminal import clean
from lanes.commands.common.each import listed
from lanes.commands.common.session import Session
from lanes_storage.errors import StorageError
from lanes_storage.globs import exactly
from lanes_storage.records import How, LaneFilter

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: The most keys that are offered, the most urgent lanes first.
OFFERED = 100


def complete_keys(ctx: click.Context, beginning: str) -> "list[CompletionItem[Any]]":
    """The keys that begin with the typed text."""
    from click.shell_completion import CompletionItem

    session = ctx.ensure_object(Session)
    with contextlib.suppress(LanesError, StorageError, OSError), session.desk() as desk:
        chosen = LaneFilter().where("key", How.FITS, exactly(beginning) + "*")
        found = listed(desk, filter_=chosen, limit=OFFERED)
        return [CompletionItem(lane.key) for lane in found if _harmless(lane.key)]
    return []


def _harmless(key: str) -> bool:
    """Whether a shell may print a key unescaped, and ``lanes`` would not read it as an option, such as ``--all``."""
    return clean(key) == key and not key.startswith("-")
