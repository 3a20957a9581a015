"""``lanes db``: commands on the database file: its schema, its integrity, copies of it."""

from pathlib import Path

import click

from lanes.commands.common.actor import actor
from lanes.commands.common.exits import Exit
from lanes.commands.common.options import with_globals
from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.progress import announce, bar, growing
from lanes.doctor import Check, Level
from lanes.doctor.file import check_whole, size
from lanes.explain.phrases import counted
from lanes_storage import open_store
from lanes_storage.clock import system_clock
from lanes_storage.errors import DatabaseDamaged, DatabaseMissing, DatabaseTooNew, StorageError
from lanes_storage.schema import versions
from lanes_storage.sqlite import path_of
from lanes_storage.sqlite.file.identity import missing
from lanes_storage.sqlite.file.wal import log_of
from lanes_storage.sqlite.inspect import content, facts, marks

#: The disk space that an upgrade needs at most, as a multiple of the file's content: for the WAL, into which it writes
#: messages and turns, and for the file, which grows. A file that holds mostly events needs much less.
UPGRADE_NEEDS = 3


@click.group(
    "db",
    epilog="""\b
    Examples:
      lanes db backup lanes-$(date +%F).db
      lanes db check
      lanes db compact
      lanes db restore lanes-2026-11-29.db
    """,
)
def command() -> None:
    """The database file: schema, integrity, copies."""


@click.command("upgrade", epilog="Example: lanes db upgrade --db /var/lib/lanes/lanes.db")
@pass_session
def upgrade(session: Session) -> None:
    """Bring the schema up to date. Where there is no database, make one.

    A gateway does the same when it starts. Stop the gateways of the older version before. The upgrade is one
    transaction: interrupted at any moment, it leaves the file as it was. A gigabyte takes some minutes; the disk
    needs room for up to three times as much meanwhile.
    """
    url = session.database()
    path = path_of(url)
    before = marks(path)[1] if path.exists() and path.stat().st_size else 0
    if 0 < before < versions.VERSION:
        _upgrade(session, url, path)
    else:
        open_store(url, create=True).close()
    session.out.changed = True
    newest = f" has the newest schema, {versions.VERSION}"
    outcome = newest if before == versions.VERSION else f": schema {before} → {versions.VERSION}"
    session.out.result({"database": str(path), "from": before, "to": versions.VERSION}, f"{path}{outcome}")


def _upgrade(session: Session, url: str, path: Path) -> None:
    file, whole = facts(path), content(path)
    free = file.free + file.log_size  # the WAL of an upgrade that was killed is large, and is reused
    room = f"the disk needs up to {size(UPGRADE_NEEDS * whole)} of room, {size(free)} is free"
    session.out.talk(f"upgrading {size(whole)}: {room}")
    with growing("upgrading", log_of(path), whole):
        open_store(url, create=True).close()


@click.command("check", epilog="Example: lanes db check --json")
@pass_session
def check(session: Session) -> int:
    """Read the whole file, and say what is wrong with it.

    It reads the indexes too. That takes a while on a large file, and blocks nobody. Exit code 1 for a damaged file.
    """
    path = path_of(session.database())
    if not path.exists():
        raise missing(path)
    announce(session.out, "checking", path)
    try:
        found = check_whole(path, indexes=True)
    except StorageError as error:
        found = [Check("file", Level.BROKEN, str(error), error.fix)]
    broken = any(one.level is Level.BROKEN for one in found)
    if session.out.json:
        session.out.data(found)
    else:
        for one in found:
            session.out.line(f"{one.check}: {one.message}" + (f"; {one.fix}" if one.fix else ""))
    return Exit.FAILED if broken else Exit.DONE


@click.command("compact", epilog="Example: lanes db compact")
@pass_session
def compact(session: Session) -> None:
    """Give the room of deleted rows back to the disk.

    The file does not shrink by itself: what is written later takes that room. Stop the gateways first, since nothing
    can be written meanwhile, for some minutes where gigabytes are left. The disk needs room for all that is left, and
    so does the folder for temporary files (SQLITE_TMPDIR; /var/tmp if that is not set). Killed at any moment, the file
    is as it was. Ctrl-C does the same, but in the second half, which writes the file, it waits for the end. Exit code 1
    while an owner lives.
    """
    from lanes.backups import compact as pack

    path = path_of(session.database())
    before = facts(path).size
    announce(session.out, "compacting", path)
    cut = pack(path, system_clock)
    after = facts(path).size
    session.out.changed = True
    sentence = f"{path}: {size(before)} before, {size(after)} now"
    session.out.result({"database": str(path), "before": before, "after": after}, sentence)
    if not cut:
        why = "the file cannot shrink while a process keeps reading it, such as a backup or an open shell"
        session.out.talk(f"{why}: end that, then repeat")


@click.command("backup", epilog="Example: lanes db backup lanes-backup.db")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_session
def backup(session: Session, file: Path) -> None:
    """Copy the database to FILE while it is used.

    The copy is as of one moment, checked, and for its owner alone (mode 0600). FILE must not exist yet.
    """
    from lanes_storage.sqlite.copies import copy

    path = path_of(session.database())
    if not path.exists():
        raise missing(path)
    announce(session.out, "copying, then checking the copy", path)
    try:
        with bar("copying") as progress:
            copy(path, file, progress)
    except FileExistsError:
        raise click.ClickException(f"{file} already exists: name another file") from None
    session.out.changed = True
    result = {"database": str(path), "backup": str(file), "bytes": file.stat().st_size}
    session.out.result(result, f"{file}: a copy of {path}")


@click.command("restore", epilog="Example: lanes db restore lanes-backup.db")
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def restore(session: Session, file: Path) -> int:
    """Put the copy FILE in the place of the database.

    Refused while a gateway or another owner lives. The file that was there is kept beside it. Epochs continue
    after all that were ever used, and each lane with unfinished messages is paused (reason restored): what waits in
    a copy may have been answered since. Look, then `lanes resume` or `lanes abort --scope both` it.

    Exit code 1 when FILE is no sound copy, or while an owner lives.
    """
    from lanes.backups import restore as put

    path = path_of(session.database())
    announce(session.out, "checking the copy, then copying", file)
    try:
        with bar("copying") as progress:
            done = put(file, path, system_clock, actor=actor(), progress=progress)
    except (DatabaseDamaged, DatabaseMissing, DatabaseTooNew) as error:
        raise click.ClickException(f"nothing was restored: {error}") from error
    session.out.changed = True
    if session.out.json:
        kept = None if done.kept is None else str(done.kept)
        session.out.data({"database": str(path), "paused": done.paused, "epoch": done.epoch, "kept": kept})
        return Exit.DONE
    session.out.line(f"{path}: restored from {file}, {counted(len(done.paused), 'lane')} paused")
    if done.kept is not None:
        session.out.talk(f"the previous file is kept as {done.kept}")
    if done.paused:
        session.out.talk("look at them with `lanes list`, then `lanes resume --match '*'`, or abort what is outdated")
    return Exit.DONE


for one in (upgrade, check, compact, backup, restore):
    command.add_command(with_globals(one))
