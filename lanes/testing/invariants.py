"""What must be true after every commit, asked of a database through the store's own interface."""

from lanes_storage.interface import Reader
from lanes_storage.reads.invariants import EXAMINATIONS


def broken(reader: Reader) -> list[str]:
    """Every invariant that does not hold, in words, with the rows that break it; empty where all is well.

    Raises ``StorageError``.
    """
    return [
        f"{invariant.name} ({invariant.sentence}): {breach.key!r} {breach.id}: {breach.evidence}"
        for examination in EXAMINATIONS
        for invariant, breach in reader.read(examination.query())
    ]
