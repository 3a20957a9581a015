"""Restoring a database file from a copy, and compacting one."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lanes.base.errors import NotAllowed
from lanes.host.identity import evidence, is_gone, is_here, this_process
from lanes.text import ages
from lanes_storage import doors, open_store, reads
from lanes_storage.clock import Clock
from lanes_storage.errors import StorageError
from lanes_storage.interface import Transaction
from lanes_storage.records import OwnerRow
from lanes_storage.sqlite import copies
from lanes_storage.sqlite.copies import Progress
from lanes_storage.sqlite.file.paths import Files
from lanes_storage.sqlite.store import SqliteReader

#: How many ids and epochs are skipped after a restore. Other programs may have kept some that were assigned since the
#: copy was made; these must not be assigned again, even if the newer file is unreadable.
LEFT_OUT = 1_000_000


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore: the lanes that it paused, the new value of the epoch counter, and where the previous
    file is kept."""

    paused: list[str]
    epoch: int
    kept: Path | None


def restore(copy: Path, path: Path, clock: Clock, *, actor: str, progress: Progress | None = None) -> Restored:
    """Replace a database by a copy; the old file is kept beside it.

    The epoch counter and all ids continue after the highest values of both files; each lane with unfinished messages
    is paused. Raises NotAllowed while an owner of the database lives, and StorageError.
    """
    copies.check_copy(copy)
    _refuse_while_used(path, clock, "restore")
    draft = Files.of(path).draft
    draft.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone_in(draft.parent):
        copies.remove(draft)
        copies.draw(copy, draft, progress)
        try:
            copies.take_back(draft)
            paused, epoch = _record(draft, clock, actor, _assigned(path))
            _refuse_while_used(path, clock, "restore")
            kept = copies.put_in_place(draft, path)
        except BaseException:
            copies.remove(draft)
            raise
    return Restored(paused, epoch, kept)


def compact(path: Path, clock: Clock) -> bool:
    """Return the space of deleted rows to the file system. Nothing can be written meanwhile.

    Returns False where a reader keeps the file from being truncated. Raises StorageError, and NotAllowed while an owner
    of the database lives, since it could send no heartbeat.
    """
    _refuse_while_used(path, clock, "compact it")
    return copies.compact(path)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Allow one restore in a folder at a time: two would use the same draft. Raises NotAllowed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotAllowed(f"another restore is under way in {folder}: wait for its end") from None
        yield
    finally:
        os.close(descriptor)


def _record(draft: Path, clock: Clock, actor: str, assigned: dict[str, int]) -> tuple[list[str], int]:
    def step(tx: Transaction) -> tuple[list[str], int]:
        epoch = copies.raise_ids(tx, assigned, LEFT_OUT)
        return doors.restored(tx, clock(), actor=actor, epoch=epoch), epoch

    with contextlib.closing(open_store(str(draft), create=True)) as store:  # upgrades an older copy
        return store.write(step)


def _assigned(path: Path) -> dict[str, int]:
    """The highest numbers assigned in the file that is replaced; empty if it cannot be read."""
    with contextlib.suppress(StorageError):  # damaged or missing, which is why a copy is restored
        return copies.numbers(path)
    return {}


def _refuse_while_used(path: Path, clock: Clock, then: str) -> None:
    try:
        with contextlib.closing(SqliteReader(path)) as reader:
            owners = reader.read(reads.owners())
    except StorageError:
        return  # missing or unreadable
    using = [owner for owner in owners if _may_write(owner, clock)]
    if using:
        named = ", ".join(f"{o.kind} {o.id} ({evidence(o, this_process())})" for o in using)
        raise NotAllowed(f"{path} is in use by {named}: stop it first, then {then}")


def _may_write(owner: OwnerRow, clock: Clock) -> bool:
    """Whether an owner lives. On this host a silent process counts too: it may continue at any moment."""
    me, now = this_process(), clock()
    if is_gone(owner, me):
        return False
    return is_here(owner, me) or ages.beat_ms(owner, now) < owner.stale_after_ms
