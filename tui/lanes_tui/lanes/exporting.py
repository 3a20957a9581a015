"""Writes exports and screenshots to files in the working folder."""

import json
import time
from pathlib import Path

from lanes.records import Lane, jsonable


def text_of(lanes: list[Lane]) -> str:
    """Lanes as ``lanes list --json`` prints them."""
    return json.dumps(jsonable(lanes), ensure_ascii=True, indent=2) + "\n"


def write(content: str, kind: str, at: int, folder: Path) -> Path:
    """Write a new file, named by the wall time ``at``, that only its owner can read; never overwrites a file. Raises
    OSError."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at / 1000))
    for number in range(1, 100):
        path = folder / f"lanes-{stamp}{'' if number == 1 else f'-{number}'}.{kind}"
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            continue
        path.write_text(content, encoding="utf-8")
        return path
    raise FileExistsError(f"too many files are named lanes-{stamp}")
