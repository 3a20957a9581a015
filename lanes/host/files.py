"""Writes files atomically."""

import contextlib
import os
import tempfile
from pathlib import Path


def put(path: Path, text: str, like: Path | None = None) -> None:
    """Write a file atomically. Mode and owner are those of ``like``; without it, only the owner may read the file.
    Raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if like is not None:
            status = like.stat()
            draft.chmod(status.st_mode & 0o7777)
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(draft, status.st_uid, status.st_gid)
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
