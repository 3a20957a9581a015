"""Which processes keep a database locked, and what to do about them."""

from contextlib import closing
from pathlib import Path

from lanes.base.terminal import clean
from lanes.doctor.checks import Check, ok, warning
from lanes.host.identity import is_here, this_process
from lanes.host.stat import STOPPED, state_of
from lanes_storage import reads
from lanes_storage.errors import StorageError
from lanes_storage.records import OwnerRow
from lanes_storage.sqlite.file.locking import holders
from lanes_storage.sqlite.file.paths import Files
from lanes_storage.sqlite.store import SqliteReader

_STATES = {"T": "stopped", "t": "stopped by a debugger", "D": "blocked by a disk"}


def remedy(database: str) -> str | None:
    """One sentence that names the processes which hold the write lock, or the stopped owners; None: none found."""
    path = Path(database)
    files = Files.of(path)
    owners = _owners(path)
    holding = holders(files.memory, files.side)
    # A stopped holder is the culprit: a running one may hold only the side file's lock and wait for SQLite's.
    pids = [pid for pid in holding if state_of(pid) in STOPPED] or holding[:1]
    pids = pids or [pid for pid in owners if state_of(pid) in _STATES]
    if not pids:
        return None
    processes = ", ".join(_process_text(pid, owners.get(pid)) for pid in pids)
    numbers = " ".join(str(pid) for pid in pids)
    if any(state_of(pid) in STOPPED for pid in pids):
        return f"it is held by {processes}: {_advice(numbers)}, then repeat"
    return f"it is held by {processes}: wait for it, or end it (`kill {numbers}`), then repeat"


def check_lock(path: Path) -> list[Check]:
    """Whether a stopped process holds the write lock. A running one releases it soon."""
    files = Files.of(path)
    stopped = [pid for pid in holders(files.memory, files.side) if state_of(pid) in STOPPED]
    if not stopped:
        return [ok("lock", "no stopped process holds the write lock")]
    owners = _owners(path)
    processes = ", ".join(_process_text(pid, owners.get(pid)) for pid in stopped)
    message = f"nobody can write: the write lock is held by {processes}"
    return [warning("lock", message, _advice(" ".join(map(str, stopped))))]


def _advice(numbers: str) -> str:
    return f"let it go on (`kill -CONT {numbers}`) or end it (`kill -9 {numbers}`)"


def _owners(path: Path) -> dict[int, OwnerRow]:
    """The owners on this host, by pid. Reading works while another process holds the write lock."""
    me = this_process()
    try:
        with closing(SqliteReader(path)) as reader:
            return {owner.pid: owner for owner in reader.read(reads.owners()) if is_here(owner, me)}
    except StorageError:
        return {}


def _process_text(pid: int, owner: OwnerRow | None) -> str:
    owner_text = f"{clean(owner.kind)} {owner.id}, " if owner is not None else ""
    return f"process {pid} ({owner_text}{_STATES.get(state_of(pid), 'running')})"
