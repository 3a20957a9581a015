"""The checks of the database file: whether it is damaged, who may read and write it, and the free disk space."""

import errno
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from lanes.base.terminal import clean
from lanes.config.reading.access import exposed, readable, user_name
from lanes.doctor.checks import Check, Level, broken, ok, warning
from lanes_storage.errors import DatabaseFull, StorageError
from lanes_storage.schema import versions
from lanes_storage.sqlite.file.identity import Stranger, strangers
from lanes_storage.sqlite.file.paths import Files
from lanes_storage.sqlite.inspect import FileFacts, damage, deviations, has_reset_fault, marks, other_names, unreadable

#: Less free space than this is reported; every commit needs some, and so does the WAL.
LEAST_ROOM = 512 * 1024 * 1024
#: A new file that is refused with this much free space lacks something else, such as an inode.
SOME_ROOM = 1024 * 1024
#: The WAL is truncated to 64 MiB after each checkpoint; more means that something prevents it.
LARGEST_LOG = 256 * 1024 * 1024
#: How many deviations of the schema are named.
NAMED = 5
_STICKY = 0o1000
#: What to do about a disk that takes no write.
_SAVE = (
    "the kernel's log says why (`dmesg`): copy the database to another disk (`lanes db backup FILE`), then check and"
    " mount this one again"
)
_FAILING = (
    "the kernel's log says why (`dmesg`): put the disk right, or save what it still reads, before a backup is restored"
)
_REMEDIES = {
    errno.ENOSPC: DatabaseFull.fix,
    errno.EDQUOT: "free some space of this user, or raise its quota (`quota -s`)",
}


def size(count: int) -> str:
    """``1.2 GiB``."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def check_file(facts: FileFacts) -> list[Check]:
    """The checks of the file and its file system that read no page."""
    return [check_engine(), _place(facts), _mode(facts), _folder(facts), _room(facts), _log(facts)]


def check_secrets(files: Iterable[Path]) -> list[Check]:
    """Whether others can read a file with a secret."""
    return [warning("secrets", *found) for file in files if (found := readable(file)) is not None]


def check_users(path: Path) -> list[Check]:
    """Whether the file has one name, and every process that uses this name has the same files open."""
    found = []
    if (alias := other_names(path)) is not None:
        found.append(broken("names", f"{alias.detail}: what is written under one is not seen under another", alias.fix))
    for one in strangers(path):
        named = ", ".join(map(clean, one.files))
        message = f"process {one.pid} ({clean(one.command)}) uses other files under this name: {named}"
        found.append(broken("users", message, _saving(one)))
    return found or [ok("users", "every process that has it open has these files open")]


def _saving(one: Stranger) -> str:
    """How to save the files that a process has open. It is stopped first, so that file and WAL match."""
    lost = "nobody else sees what it wrote there, and that is lost when it ends"
    if one.database is None:
        return f"{lost}. Move the file back to its name, with those beside it: the process then continues"
    copies = [f"cp {one.database} saved.db"] + ([f"cp {one.log} saved.db-wal"] if one.log else [])
    return (
        f"{lost}. If it was moved away, move all of it back; else save it: `kill -STOP {one.pid}; {'; '.join(copies)}`,"
        f" look at it: `lanes --db saved.db list`, then `kill -9 {one.pid}`, `lanes db restore saved.db`, and start it"
        " again"
    )


def check_engine() -> Check:
    """The version of SQLite, and whether it has the WAL-reset fault."""
    version = sqlite3.sqlite_version
    if has_reset_fault(sqlite3.sqlite_version_info[:3]):
        note = "lanes avoids its WAL-reset fault; no other program with SQLite before 3.51.3 may write to the file"
        return ok("sqlite", f"SQLite {version}: {note}")
    return ok("sqlite", f"SQLite {version}")


def check_whole(path: Path, *, indexes: bool = False) -> list[Check]:
    """Check the schema, and that every page can be read and is consistent; ``indexes`` also compares the indexes, which
    takes longer. Raises StorageError."""
    try:
        found = _whole(path, indexes)
    except StorageError:
        if not (reason := unreadable(path)):
            raise
    else:
        if all(check.level is not Level.BROKEN for check in found) or not (reason := unreadable(path)):
            return found
    return [broken("file", f"its disk fails, and the file may be whole: {reason}", _FAILING)]


def _whole(path: Path, indexes: bool) -> list[Check]:
    application, version = marks(path)
    if application != versions.APPLICATION_ID:
        return [broken("file", f"{path} is not a lanes database", "name the right one with --db")]
    wrong = damage(path, whole=indexes)
    sound = ok("file", "every page can be read, and every index fits" if indexes else "every page can be read")
    if wrong:
        fix = "stop its gateways, keep the file, and restore a backup: `lanes db restore FILE`"
        sound = broken("file", f"it is damaged: {'; '.join(wrong)}", fix)
    return [_schema(path, version), sound]


def _schema(path: Path, version: int) -> Check:
    try:
        versions.check(str(path), version)
    except StorageError as error:
        return warning("schema", str(error), error.fix)
    if _replaced():
        return ok("schema", f"schema {version}; not compared in detail: another lanes was installed under this process")
    other = deviations(path)
    if other:
        message = f"it says that it has schema {version}, but it is {', '.join(other[:NAMED])}"
        return broken("schema", message, "use the lanes that made it, or start with another file; keep this one")
    return ok("schema", f"schema {version}")


def _replaced() -> bool:
    """Whether another version of lanes was installed under this process, which imports the tables only now: SQLModel is
    too large to load early."""
    try:
        from lanes_storage.schema import tables
    except Exception:  # modules of another version may raise anything
        return True
    return tables.VERSION != versions.VERSION


def _place(facts: FileFacts) -> Check:
    kind = facts.file_system or "an unknown file system"
    if facts.networked:
        fix = "move it to a local disk (`lanes db backup`, then `lanes db restore` there)"
        return broken("file_system", f"it lies on {kind}, which several machines share: locks do not hold there", fix)
    return ok("file_system", f"it lies on {kind}")


def _mode(facts: FileFacts) -> Check:
    for found in (_barred(Files.of(facts.path)), exposed(facts.path)):
        if found is not None:
            return warning("permissions", *found)
    if facts.mode & 0o077:
        return warning(
            "permissions", f"others may read {facts.path} (mode {facts.mode:04o})", f"chmod 600 {facts.path}"
        )
    return ok("permissions", f"mode {facts.mode:04o}")


def _barred(files: Files) -> tuple[str, str] | None:
    """What keeps this user from writing the database, with the remedy; None: nothing."""
    me, beside = user_name(os.geteuid()), (files.log, files.memory, files.side)
    needed = [files.database, *(path for path in beside if path.exists())]
    if len(needed) <= len(beside):  # some do not exist yet
        needed.append(files.database.parent)
    for path in needed:
        if os.access(path, os.R_OK if path == files.side else os.R_OK | os.W_OK):
            continue
        message = f"{me} may not write {path} (mode {path.stat().st_mode & 0o7777:04o})"
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return f"{message}: its file system is read-only", "mount it for writing"
        owner = files.database.stat().st_uid
        if owner != os.geteuid():  # changing its owner would lock out the user who owns it
            return message, f"run lanes as {user_name(owner)}, to whom the database belongs"
        return message, f"chmod u+rw {path}" if path.stat().st_uid == owner else f"chown {me} {path}"
    return None


def _folder(facts: FileFacts) -> Check:
    folder = facts.folder
    if facts.folder_mode & 0o022 and not facts.folder_mode & _STICKY:
        message = f"others may write into {folder} (mode {facts.folder_mode:04o}), and so replace the file"
        return warning("folder", message, f"chmod go-w {folder}")
    return ok("folder", f"{folder}, mode {facts.folder_mode:04o}")


def _room(facts: FileFacts) -> Check:
    if facts.refused and (facts.refused != errno.ENOSPC or facts.free >= SOME_ROOM):
        message = f"a new file in {facts.folder} is refused: {os.strerror(facts.refused)}"
        return warning("disk", message, _REMEDIES.get(facts.refused, _SAVE))
    if facts.free < max(LEAST_ROOM, facts.log_size):
        fix = (
            "free some disk space; to keep the file from growing, prune: `lanes dead-letters --prune --older-than D`,"
            " shorter keep_messages"
        )
        return warning("disk", f"{size(facts.free)} are free; the database has {size(facts.size)}", fix)
    return ok("disk", f"{size(facts.free)} are free; the database has {size(facts.size)}")


def _log(facts: FileFacts) -> Check:
    if facts.log_size > LARGEST_LOG:
        fix = "find the reader that has been open for long (a shell, a copy) and end it"
        return warning("log", f"its write-ahead log has {size(facts.log_size)}", fix)
    return ok("log", f"its write-ahead log has {size(facts.log_size)}")
