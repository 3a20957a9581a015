"""The working folder of a run: created if it is missing, then kept for the next run of its lane or deleted."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from lanes.base.errors import RunFailed
from lanes.config.declared.templates import fill
from lanes.runners.command.users import SystemUser


@asynccontextmanager
async def working_folder(
    template: str, places: Mapping[str, str], *, keep: bool, worktree_of: str | None, user: SystemUser | None
) -> AsyncIterator[Path]:
    """The folder of a run. Raises RunFailed if it cannot be used.

    If ``keep`` is False, the folder is for this run only, and removed at its end. ``worktree_of``: create it as a
    worktree of that repository, at its present commit. ``user``: it is made for that user.
    """
    folder = Path(fill(template, places))
    try:
        made = await asyncio.to_thread(_make, folder, worktree_of, user)
    except (OSError, subprocess.SubprocessError) as error:
        raise RunFailed("no_folder", f"the working folder {folder} cannot be had: {_why(error)}") from error
    try:
        yield folder
    finally:
        if made and not keep:  # never what was there before
            await asyncio.to_thread(_remove, folder, worktree_of)


def _make(folder: Path, worktree_of: str | None, user: SystemUser | None) -> bool:
    if folder.is_dir():
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    if worktree_of is not None:
        try:
            _git(worktree_of, "worktree", "add", "--detach", str(folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # else the next run would take it for the worktree
            raise
    if user is not None:
        for each in (folder, *folder.rglob("*")):
            os.chown(each, user.uid, user.gid, follow_symlinks=False)
    return True


def _remove(folder: Path, worktree_of: str | None) -> None:
    if worktree_of is not None:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            _git(worktree_of, "worktree", "remove", "--force", str(folder))
    shutil.rmtree(folder, ignore_errors=True)


def _git(repository: str, *words: str) -> None:
    command = ["git", "-C", repository, *words]
    subprocess.run(command, check=True, capture_output=True, timeout=300, stdin=subprocess.DEVNULL)


def _why(error: OSError | subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return error.stderr.decode(errors="replace").strip() or str(error)
    return str(error)
