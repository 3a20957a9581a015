"""``lanes doctor``: problems of a database and its gateways, with the evidence and what to do. Changes nothing."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from lanes.base.errors import ConfigError
from lanes.context import Context
from lanes.doctor.blockers import check_lock
from lanes.doctor.checks import Check, Level, broken, warning
from lanes.doctor.descriptors import check_descriptors
from lanes.doctor.file import check_file, check_secrets, check_users, check_whole
from lanes.doctor.gateways import check_gateways, check_port
from lanes.doctor.invariants import SCANS, check_invariants
from lanes.doctor.providers import check_providers
from lanes.doctor.rows import check_pauses, check_rows
from lanes.doctor.sources import check_sources
from lanes_storage.errors import DatabaseDamaged, DatabaseMissing, DatabaseReplaced, StorageError
from lanes_storage.interface import Reader
from lanes_storage.sqlite.inspect import facts
from lanes_storage.sqlite.store import SqliteReader

__all__ = ["Check", "Level", "examine"]


def examine(path: Path, ctx: Context, progress: Callable[[int, int], None] = lambda _, __: None) -> list[Check]:
    """Every check of a database file, in a fixed order. ``progress`` is called with the work done and the total.

    A part that cannot be read is a finding too. Raises DatabaseMissing and DatabaseUnavailable where there is nothing
    to check.
    """
    return [*_check_configuration(ctx), *check_secrets(ctx.secret_files()), *_examine(path, ctx, progress)]


def _check_configuration(ctx: Context) -> list[Check]:
    """A configuration that is refused is a finding."""
    try:
        ctx.configured()
    except ConfigError as error:
        return [warning("configuration_file", str(error), "correct it: no gateway starts with it")]
    return []


def _examine(path: Path, ctx: Context, progress: Callable[[int, int], None]) -> list[Check]:
    try:
        found = [*check_file(facts(path)), *check_users(path), *check_lock(path)]
    except DatabaseMissing:
        found = check_users(path)
        if all(check.level is Level.OK for check in found):
            raise
        return found
    progress(0, PAGES + SCANS)
    try:
        whole = check_whole(path)
        found += whole
        if any(check.check == "schema" and check.level is Level.WARNING for check in whole):
            return found  # the rows of another version are not read
        reader = SqliteReader(path)
    except StorageError as error:
        return [*found, _unread("file", error)]
    scans = iter(range(PAGES + 1, PAGES + SCANS + 1))
    progress(PAGES, PAGES + SCANS)

    def invariants(reader: Reader, _: Context) -> list[Check]:
        return check_invariants(reader, lambda: progress(next(scans), PAGES + SCANS))

    looks: dict[str, Callable[[Reader, Context], list[Check]]] = {"invariants": invariants, **_LOOKS}
    with closing(reader), reader.interruptible():
        for name, look in looks.items():
            try:
                found += look(reader, ctx)
            except StorageError as error:
                found.append(_unread(name, error))
    return found


#: For the progress: reading every page takes about as long as this many scans of the journal.
PAGES = 2
#: The advice for an error that has no advice of its own.
OTHERWISE = "correct the other findings; if there are none, keep the file and restore a backup: `lanes db restore FILE`"

_LOOKS: dict[str, Callable[[Reader, Context], list[Check]]] = {
    "owners": check_gateways,
    "pauses": check_pauses,
    "providers": check_providers,
    "descriptors": check_descriptors,
    "sources": check_sources,
    "rows": check_rows,
    "port": check_port,
}


def _unread(name: str, error: StorageError) -> Check:
    """A part that could not be read: the file is damaged or was replaced, or something else prevents it."""
    level = broken if isinstance(error, DatabaseDamaged | DatabaseReplaced) else warning
    is_generic = error.fix in {StorageError.fix, DatabaseDamaged.fix}  # they only name the doctor
    return level(name, f"it cannot be read: {error}", OTHERWISE if is_generic else error.fix)
