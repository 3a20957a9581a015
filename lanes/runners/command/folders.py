"""The working folder of a run: made if it is missing, then kept for the next run of its lane or deleted.

A file beside it (``.NAME.making``) says that it is being made, and where it is for one run only, that it is in use. The
run that makes it holds a lock on that file, as its git does. So such a file without a lock tells of a folder that was
cut in the middle or left behind: it is not used, but removed.
"""

import asyncio
import contextlib
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
from lanes.runners.command.users import SystemUser
from lanes_storage.errors import StorageError
from lanes_storage.logs import Log
from lanes_storage.threads import in_thread, to_its_end

log = Log("lanes.command")

T = TypeVar("T")
#: Runs ``git worktree`` with a descriptor held open and these words; returns why it failed. Raises RunFailed.
GitWorktree = Callable[..., Awaitable[str | None]]
#: Seconds between two looks whether another run has made the folder.
LOOK_S = 0.05
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
    """The folder of a run. Raises RunFailed if it cannot be used.

    If ``keep`` is False, the folder is for this run only, and removed at its end. ``git``: create it as a worktree of
    that repository, at its present commit. ``user``: it is made for that user.
    """
    making = FolderMaking(Path(fill(template, values)), git, user)
    try:
        if "run_id" in places(template):  # the run that left such a folder has no successor
            for left in await in_thread(_left, template):
                await FolderMaking(left, git, user).clear()
        await making.make(progress)
        if keep:
            making.end()
    except BaseException as error:
        making.close()
        if isinstance(error, OSError):
            raise making.failure(error) from error
        raise
    try:
        yield making.folder
    finally:
        await making.undo()


class FolderMaking:
    """A folder, from before it is made until it is whole, or removed. For the event loop."""

    def __init__(self, folder: Path, git: GitWorktree | None, user: SystemUser | None) -> None:
        self.folder = folder
        self._mark = folder.with_name(f"{_BEFORE}{folder.name}{_AFTER}")
        self._git = git
        self._user = user
        self._lock: int | None = None

    async def make(self, progress: Callable[[str], None]) -> None:
        """Make it, unless it is there and whole. Raises OSError or RunFailed."""
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
        """Remove what a run has left behind. What belongs to a run stays."""
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
        """It is whole, or removed."""
        if self._lock is not None:
            self._mark.unlink(missing_ok=True)
            self.close()

    def close(self) -> None:
        """Unlock it. The mark stays, unless it was ended before."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def failure(self, reason: object) -> RunFailed:
        """What a run fails with that cannot have its folder."""
        return RunFailed("no_folder", f"the working folder {self.folder} cannot be had: {reason}")

    # ----------------------------------------------------------------------------------- one step

    def _is_there(self) -> bool:
        """Whether it is there and whole. Otherwise it is claimed, unless another run has it."""
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
        """Whether a run has begun to make it. A mark that is still empty tells nothing of a folder that is there."""
        assert self._lock is not None
        return os.fstat(self._lock).st_size > 0

    def _begin(self) -> None:
        """Make the folder itself."""
        assert self._lock is not None
        os.write(self._lock, b"making\n")
        try:
            self.folder.mkdir(mode=0o700)
        except OSError:
            self.end()  # whatever is there is not ours
            raise
        if self._user is not None:
            give(self.folder, self._user)

    async def _add(self, git: GitWorktree) -> None:
        # twice: also where it is registered and missing, and locked by a git that was killed
        failed = await git(self._lock, "add", "--force", "--force", "--quiet", "--detach", str(self.folder))
        if failed is not None:
            await self._remove()
            self.end()
            raise self.failure(failed)

    async def _remove(self) -> None:
        """Remove the folder with all that is in it, and from its repository. Raises OSError or RunFailed."""
        with contextlib.suppress(FileNotFoundError):
            await _in_thread(lambda: remove_tree(self.folder))
        if self._git is not None:  # that fails where git had not come so far as to register it
            await self._git(self._lock, "remove", "--force", "--force", str(self.folder))


async def _in_thread(step: Callable[[], T]) -> T:
    """The result of a step that may take long. It is waited for, also by a run that is cancelled."""
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
    """Make it that user's, who may have put something else in its place: no link is followed, and only what is empty
    and ours is given away."""
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
