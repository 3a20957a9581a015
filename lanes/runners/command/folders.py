"""The working folder of a run: made if it is missing, then kept for the next run of its lane or deleted.

A mark beside it, the file ``.NAME.making``, shows that the folder is being made or, if it is for one run only, in use.
The run that makes it, and its git, hold a lock on the mark. So a mark without a lock belongs to a folder that is
incomplete or was left behind: it is removed, not used.
"""

import asyncio
import contextlib
import errno
import fcntl
import glob
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from lanes.base.errors import RunError, RunFailed
from lanes.config.declared.templates import fill, places
from lanes.host.descriptors import is_shortage, note_shortage
from lanes.runners.command.users import SystemUser
from lanes.runners.http.failures import NoFolder, NoRoom
from lanes_storage.errors import StorageError
from lanes_storage.logs import Log
from lanes_storage.threads import in_thread, to_its_end

log = Log("lanes.command")

T = TypeVar("T")
#: Runs ``git worktree`` with these arguments, and a descriptor that it holds open; returns why it failed. Raises
#: RunFailed.
GitWorktree = Callable[..., Awaitable[str | None]]
#: Seconds between two checks whether another run has made the folder.
LOOK_S = 0.05
#: The errors of a disk, or a quota, that is used up.
_FULL = (errno.ENOSPC, errno.EDQUOT)
_BEFORE, _AFTER = ".", ".making"


@asynccontextmanager
async def working_folder(
    template: str,
    values: Mapping[str, str],
    *,
    keep: bool,
    git: GitWorktree | None,
    user: SystemUser | None,
    progress: Callable[[str], None],
) -> AsyncIterator[Path]:
    """The folder of a run. Raises RunFailed if it cannot be used, NoRoom if that may pass.

    If ``keep`` is False, the folder is for this run only, and removed at its end. ``git``: create it as a worktree of
    that repository, at its present commit. ``user``: the user that is to own it.
    """
    making = FolderMaking(Path(fill(template, values)), git, user)
    try:
        if "run_id" in places(template):  # every run has another folder, so nobody else clears those left behind
            for left in await in_thread(_left, template):
                await FolderMaking(left, git, user).clear()
        await making.make(progress)
        if keep:
            making.end()
    except BaseException as error:
        making.close()
        if isinstance(error, OSError):
            raise making.refused(error) from error
        raise
    try:
        yield making.folder
    finally:
        await making.undo()


class FolderMaking:
    """A folder, from before it is made until it is complete, or removed. For the event loop."""

    def __init__(self, folder: Path, git: GitWorktree | None, user: SystemUser | None) -> None:
        self.folder = folder
        self._mark = folder.with_name(f"{_BEFORE}{folder.name}{_AFTER}")
        self._git = git
        self._user = user
        self._lock: int | None = None

    async def make(self, progress: Callable[[str], None]) -> None:
        """Make it, unless it is there and complete. Raises OSError or RunFailed."""
        waits = False
        while not await _in_thread(self._is_there):
            if self._lock is None:
                if not waits:
                    waits = True
                    progress("folder:another run makes it")
                await asyncio.sleep(LOOK_S)
                continue
            if self._is_marked:
                await self._remove()
            await _in_thread(self._begin)
            if self._git is not None:
                await self._add(self._git)
            return

    async def clear(self) -> None:
        """Remove the folder if a run has left it behind; that of a live run stays."""
        if await _in_thread(self._claim) and self._is_marked:
            await self.undo()
        self.end()

    async def undo(self) -> None:
        """Remove it, unless it was there before or is to be kept. If that fails, a later run does it."""
        if self._lock is None:
            return
        try:
            await self._remove()
            self.end()
        except (OSError, RunError, StorageError) as error:
            log.warning("the folder %s is left to be removed by a later run: %s", self.folder, error)
        finally:
            self.close()

    def end(self) -> None:
        """Remove the mark and its lock: the folder is complete, or removed."""
        if self._lock is not None:
            self._mark.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        """Unlock the mark, which stays unless ``end`` removed it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def failure(self, reason: object) -> RunFailed:
        """The failure of a run whose folder cannot be used."""
        return RunFailed("no_folder", f"the working folder {self.folder} cannot be used: {reason}")

    def refused(self, error: OSError) -> RunError:
        """The same for an error of the system; NoRoom where the run can wait until there is room."""
        if is_shortage(error):
            note_shortage()
            return NoRoom()
        failure = self.failure(error)
        return NoFolder(str(failure)) if error.errno in _FULL else failure

    # ----------------------------------------------------------------------------------- one step

    def _is_there(self) -> bool:
        """Whether it is there and complete. Otherwise claim it, unless another run has it."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self.folder.is_dir() and not self._mark.exists():
            return True
        if not self._claim() or self._is_marked or not self.folder.is_dir():
            return False
        self.end()  # another run has made it meanwhile
        return True

    def _claim(self) -> bool:
        lock = os.open(self._mark, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._mark.lstat().st_ino == os.fstat(lock).st_ino:  # else another run has removed it since
                self._lock, lock = lock, -1
        except (BlockingIOError, FileNotFoundError):
            pass  # another run has it, or had it until now
        finally:
            if lock >= 0:
                os.close(lock)
        return self._lock is not None

    @property
    def _is_marked(self) -> bool:
        """Whether a run has begun to make the folder. An empty mark says nothing about a folder that is there."""
        assert self._lock is not None
        return os.fstat(self._lock).st_size > 0

    def _begin(self) -> None:
        """Make the folder itself."""
        assert self._lock is not None
        os.write(self._lock, b"making\n")
        try:
            self.folder.mkdir(mode=0o700)
        except OSError:
            self.end()  # something else is there
            raise
        if self._user is not None:
            give(self.folder, self._user)

    async def _add(self, git: GitWorktree) -> None:
        # --force twice: also if it is registered but missing, and locked by a git that was killed
        failed = await git(self._lock, "add", "--force", "--force", "--quiet", "--detach", str(self.folder))
        if failed is not None:
            await self._remove()
            self.end()
            raise self.failure(failed)

    async def _remove(self) -> None:
        """Remove the folder with all that is in it, and from its repository. Raises OSError or RunFailed."""
        with contextlib.suppress(FileNotFoundError):
            await _in_thread(lambda: remove_tree(self.folder))
        if self._git is not None:  # fails if git had not registered it yet, which does no harm
            await self._git(self._lock, "remove", "--force", "--force", str(self.folder))


async def _in_thread(step: Callable[[], T]) -> T:
    """Run a step that may take long in a thread. A caller that is cancelled still waits for its end."""
    return await to_its_end(in_thread(step))


def remove_tree(folder: Path) -> None:
    """Remove a folder, also where its owner made parts of it read-only, as Go does with its modules. Raises OSError."""
    try:
        shutil.rmtree(folder)
    except PermissionError:
        folder.chmod(0o700)
        for root, names, _ in os.walk(folder):
            for inner in (Path(root, name) for name in names):
                if not inner.is_symlink():
                    inner.chmod(0o700)
        shutil.rmtree(folder)


def give(folder: Path, user: SystemUser) -> None:
    """Give a folder to a user, who may have put something else in its place: no link is followed, and only an empty
    folder of this process's own user is given away."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid() or os.listdir(descriptor):  # noqa: PTH208 - a descriptor
            raise PermissionError("something else was put in its place")
        os.fchown(descriptor, user.uid, user.gid)
    finally:
        os.close(descriptor)


def _left(template: str) -> list[Path]:
    """The folders of this template that are being made, belong to one run, or were left behind."""
    number = "[0-9]*"
    folder = Path(fill(glob.escape(template), {"lane_id": number, "run_id": number}))
    found = glob.glob(str(folder.with_name(f"{_BEFORE}{folder.name}{_AFTER}")))  # noqa: PTH207 - an absolute pattern
    return [mark.with_name(mark.name[len(_BEFORE) : -len(_AFTER)]) for mark in map(Path, found)]
