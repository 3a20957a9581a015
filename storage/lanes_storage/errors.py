"""The exceptions of the storage layer.

    StorageError
    ├── DatabaseMissing       nothing there, and the caller did not ask to create it
    │   └── DatabaseDeleted   it was deleted or moved away, and can perhaps be recovered
    ├── DatabaseTooNew        written by a newer lanes
    ├── DatabaseTooOld        needs `lanes db upgrade`, or a command that may change it
    │   └── DatabaseUnreleased  written by a development version, and cannot be upgraded
    ├── DatabaseInUse         cannot be upgraded while a gateway of the older version runs
    ├── DatabaseDamaged       corrupt
    │   └── DatabaseForeign   not a database, or one of another program
    ├── DatabaseLocked        another process held it beyond the busy timeout
    ├── DatabaseFull          no room on the disk
    ├── DatabaseReadOnly      no permission to write
    ├── DatabaseReplaced      deleted, moved away or replaced while it was open
    ├── DatabaseAliased       has a second name, under which SQLite would use a second WAL
    ├── DatabaseUnavailable   anything else the file system or the engine refused
    ├── ForkedStore           used in a child of the process that opened it
    │   └── ForkedInUse       opened in a child of a process whose threads used SQLite at the fork
    └── StoreClosed           used after close
    NotStorable               a value of the caller cannot be stored; nothing was stored

A StorageError is about the database: the same call may succeed later. NotStorable is about the value: the same call
will never succeed, so it is not retried, and it is not a StorageError.

A guard that no longer holds is not an error: every door returns a value that says whether it took effect.
"""

import os
from collections.abc import Sequence
from typing import Any

#: The section that explains how to recover a file that was deleted but is still open in a process.
_RUNBOOK = "docs/operations.md, “The file is another one”"


class PortableError(Exception):
    """An error that can be pickled. By default, unpickling would pass the message instead of the constructor's
    arguments; that fails and breaks a whole ``ProcessPoolExecutor``."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).__new__, (type(self), *self.args), vars(self)


class StorageError(PortableError):
    """The base of all storage errors. ``says`` is the message for people, ``fix`` what to do next, ``code`` the word
    for programs."""

    code = "database"
    says = "{database}: {detail}"
    fix = "run `lanes doctor` for what is wrong with the file"

    def __init__(self, database: str, detail: str = "") -> None:
        self.database, self.detail = database, detail
        super().__init__(self.says.format(**vars(self)))


class DatabaseMissing(StorageError):
    says = "no lanes database at {database}"
    fix = "start a gateway (`lanes up`), or name the database with --db"


class DatabaseDeleted(DatabaseMissing):
    """The file was deleted or moved away: processes still have it open (``pids``), or side files remain (``left``)."""

    says = "no lanes database at {database} any more: it was deleted or moved away, and {detail}"

    def __init__(self, database: str, pids: Sequence[int], left: Sequence[str] = ()) -> None:
        self.pids, self.left = tuple(pids), tuple(left)
        if pids:
            detail = f"process {', '.join(map(str, pids))} still has it open"
            self.fix = (
                "start nothing new there before that file is saved, or moved back: `lanes doctor` names who has it open"
                f" and how to copy it ({_RUNBOOK})"
            )
        else:
            detail = f"{', '.join(left)} still lie{'s' * (len(left) == 1)} there"
            self.fix = (
                "move it back beside them, or restore a backup (`lanes db restore FILE`). A process of another user may"
                " still have it open: start nothing new there before it is saved; to find that process, run"
                f" `lanes doctor` as that user ({_RUNBOOK})"
            )
        super().__init__(database, detail)


class DatabaseTooNew(StorageError):
    says = "{database} has schema {found}; this lanes knows up to {known}"
    fix = "use a newer lanes, or restore a backup made by this one"

    def __init__(self, database: str, found: int, known: int) -> None:
        self.found, self.known = found, known
        super().__init__(database)


class DatabaseTooOld(StorageError):
    says = "{database} has schema {found}; this lanes needs {known}"
    fix = "stop what still runs of the older lanes, then run `lanes db upgrade` or start a gateway: both upgrade it"

    def __init__(self, database: str, found: int, known: int) -> None:
        self.found, self.known = found, known
        super().__init__(database)


class DatabaseUnreleased(DatabaseTooOld):
    says = "{database} has schema {found}, which no release had; this lanes cannot upgrade it to {known}"
    fix = "use the development version that wrote it, restore a backup of a release, or start with another file"


class DatabaseInUse(StorageError):
    """A process of an older lanes uses the file. It could not continue after an upgrade of the schema."""

    says = "{database} cannot be upgraded while {detail} works with it"
    fix = (
        "stop that process first; one that was killed elsewhere counts as gone once it has been silent for long enough"
    )


_RESTORE = "restore a backup; keep the file for inspection"


class DatabaseDamaged(StorageError):
    fix = f"if `lanes doctor` does not find that its disk fails, {_RESTORE}"


class DatabaseForeign(DatabaseDamaged):
    """The file is no database, or one of another program; or a lanes database whose first page was lost."""

    fix = f"is this the right file (`--db`, `LANES_DB`, `database.url`)? If it is, {_RESTORE}"


class DatabaseLocked(StorageError):
    says = "{database} is locked by another process"
    fix = "find the process that holds the file (a stopped gateway, a backup, a shell) and end or continue it"


class DatabaseFull(StorageError):
    says = "no room left on the disk of {database}"
    fix = "free some disk space (`df -h`) or inodes (`df -i`); nothing that was accepted is lost"


class DatabaseReadOnly(StorageError):
    says = "{database} may not be written"
    fix = "check the owner and mode of the file, of those beside it and of its folder, and that its disk takes writes"


class DatabaseReplaced(StorageError):
    """The path no longer names the file that was opened: nobody would see what is written to the open file.

    Nothing is accepted or acknowledged until the right file is back; see ``fix``.
    """

    fix = (
        "put the file back with its -wal and -shm files, and lanes continues by itself;"
        " to use the new file, restart; `lanes doctor` names who still has the old one open"
    )


class DatabaseAliased(StorageError):
    """The file has a second name, or another process uses it under another name. Each name would have a separate
    WAL."""

    fix = "keep only the name that is used (`find -samefile` finds the others); mount its folder, not the file alone"


class DatabaseUnavailable(StorageError):
    """The engine or the file system refused for another reason."""


class NotStorable(Exception):
    """The database cannot store a value: its type, size or content. Nothing was stored; a retry cannot succeed."""


class ForkedStore(StorageError):
    """The store was opened by the parent process: a SQLite connection cannot be used after a fork."""

    says = "the store of {database} belongs to process {pid}, and not to its child {child}"
    fix = "open the database in the child, after the fork"

    def __init__(self, database: str, pid: int) -> None:
        self.pid, self.child = pid, os.getpid()
        super().__init__(database)


class ForkedInUse(ForkedStore):
    """No database can be opened in this child: a lock of SQLite that a thread held at the fork is never released."""

    says = "process {child} was forked while its parent {pid} had {database} open: it can open no database"
    fix = "start the process by `spawn` or `forkserver`, or fork it before the parent opens the database"


class StoreClosed(StorageError):
    says = "the store of {database} is closed"
    fix = "open it again"
