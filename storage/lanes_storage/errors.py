"""What storage raises.

    StorageError
    ├── DatabaseMissing       nothing there, and the caller did not ask to create it
    │   └── DatabaseDeleted   it was deleted or moved away, and may be saved
    ├── DatabaseTooNew        written by a newer lanes
    ├── DatabaseTooOld        needs `lanes db upgrade`, or a command that may change it
    ├── DatabaseInUse         not to be upgraded while a gateway of the older version lives
    ├── DatabaseDamaged       not a database, not ours, or corrupt
    ├── DatabaseLocked        another process held it beyond the busy timeout
    ├── DatabaseFull          no room on the disk
    ├── DatabaseReadOnly      may not be written
    ├── DatabaseReplaced      deleted, moved away or replaced while it was open
    ├── DatabaseAliased       used, or could be, under another name, where it would have another log
    ├── DatabaseUnavailable   anything else the file system or the engine refused
    ├── ForkedStore           used in a child of the process that opened it
    └── StoreClosed           used after close
    NotStorable               what the caller handed in has no place in a database; nothing was stored

The first tell of the database, which may take the same in a moment. The last tells of the caller: the same will never
be taken, so nobody tries it again, and it is not caught with the others.

A guard that was lost is never an error: every door returns a value that says whether it landed.
"""

import os
from collections.abc import Sequence

#: Where it is told how to save a file that has no name any more.
_RUNBOOK = "docs/operations.md, “The file is another one”"


class StorageError(Exception):
    """The base of all of these; ``fix`` says what to do next."""

    fix = "run `lanes doctor` for what is wrong with the file"

    def __init__(self, database: str, detail: str = "") -> None:
        self.database = database
        self.detail = detail
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """One sentence for a person."""
        return f"{self.database}: {self.detail}" if self.detail else self.database


class DatabaseMissing(StorageError):
    """There is no database at that place."""

    fix = "start a gateway (`lanes up`), or name the database with --db"

    def sentence(self) -> str:
        return f"no lanes database at {self.database}"


class DatabaseDeleted(DatabaseMissing):
    """It was deleted or moved away: a process still has it open (``pids``), or files beside it are left (``left``)."""

    def __init__(self, database: str, pids: Sequence[int], left: Sequence[str] = ()) -> None:
        self.pids, self.left = tuple(pids), tuple(left)
        if pids:
            self.fix = (
                "start nothing new there before that file is saved, or moved back: `lanes doctor` names who has it open"
                f" and how to copy it ({_RUNBOOK})"
            )
        else:
            self.fix = (
                "move it back beside them, or restore a backup (`lanes db restore FILE`). A process of another user may"
                " still have it open: start nothing new there before it is saved, and let `lanes doctor` name who that"
                f" is, as that user ({_RUNBOOK})"
            )
        super().__init__(database)

    def sentence(self) -> str:
        who = f"process {', '.join(map(str, self.pids))} still has it open" if self.pids else ""
        rest = f"{', '.join(self.left)} still lie{'s' * (len(self.left) == 1)} there" if self.left else ""
        return f"no lanes database at {self.database} any more: it was deleted or moved away, and " + (who or rest)


class DatabaseTooNew(StorageError):
    """The schema is newer than this program knows."""

    fix = "use a newer lanes, or restore a backup made by this one"

    def __init__(self, database: str, found: int, known: int) -> None:
        self.found, self.known = found, known
        super().__init__(database)

    def sentence(self) -> str:
        return f"{self.database} has schema {self.found}; this lanes knows up to {self.known}"


class DatabaseTooOld(StorageError):
    """The schema is older than this program needs and the caller may not change it."""

    fix = "run `lanes db upgrade`, or start a gateway on it, which does the same"

    def __init__(self, database: str, found: int, known: int) -> None:
        self.found, self.known = found, known
        super().__init__(database)

    def sentence(self) -> str:
        return f"{self.database} has schema {self.found}; this lanes needs {self.known}"


class DatabaseInUse(StorageError):
    """A process of an older lanes works with the file, and could not any more once its schema is upgraded."""

    fix = (
        "stop that process first; one that was killed elsewhere counts as gone once it has been silent for long enough"
    )

    def sentence(self) -> str:
        return f"{self.database} cannot be upgraded while {self.detail} works with it"


class DatabaseDamaged(StorageError):
    """The file is no lanes database, or it is corrupt."""

    fix = "restore a backup; keep the file for inspection"


class DatabaseLocked(StorageError):
    """Another process kept the write lock for longer than the busy timeout."""

    fix = "find the process that holds the file (a stopped gateway, a backup, a shell) and end or continue it"

    def sentence(self) -> str:
        return f"{self.database} is locked by another process"


class DatabaseFull(StorageError):
    """The disk has no room left."""

    fix = "free some disk space; nothing that was accepted is lost"

    def sentence(self) -> str:
        return f"no room left on the disk of {self.database}"


class DatabaseReadOnly(StorageError):
    """The file, its folder or its disk may not be written."""

    fix = "check the owner and mode of the file and its folder"

    def sentence(self) -> str:
        return f"{self.database} may not be written"


class DatabaseReplaced(StorageError):
    """The file under the path is no longer the one that was opened: what is written there now, nobody would see.

    Nothing is accepted and nothing is told until the right file is back; see ``fix``.
    """

    fix = (
        "put the file back with those beside it (-wal, -shm), and it goes on by itself;"
        " to use what is there now, start again; `lanes doctor` names who still has the other one open"
    )


class DatabaseAliased(StorageError):
    """The file has, or another process knows, a second name. Its log has the name of the file: there would be two."""

    fix = "leave it one name (`find -samefile` finds the others), the one under which it is used"


class DatabaseUnavailable(StorageError):
    """The engine or the file system refused for another reason."""


class NotStorable(Exception):
    """A value of a type, of a size or with a meaning that no row takes. Nothing was stored; the same never will be."""


class ForkedStore(StorageError):
    """The store was opened by another process, of which this one is a child: SQLite can not be used across a fork."""

    fix = "open the database in the child, after the fork"

    def __init__(self, database: str, pid: int) -> None:
        self.pid = pid
        super().__init__(database)

    def sentence(self) -> str:
        return f"the store of {self.database} belongs to process {self.pid}, and not to its child {os.getpid()}"


class StoreClosed(StorageError):
    """The store was closed."""

    fix = "open it again"

    def sentence(self) -> str:
        return f"the store of {self.database} is closed"
