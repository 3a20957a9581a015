"""Checks a database for the invariants that must be true after every commit."""

from lanes_storage.interface import Reader
from lanes_storage.reads.invariants import EXAMINATIONS


def broken(reader: Reader) -> list[str]:
    """Every invariant that does not hold, as a sentence with a row that breaks it; empty if all hold.

    Raises ``StorageError``.
    """
    return [
        f"{invariant.name} ({invariant.sentence}): {breach.key!r} {breach.id}: {breach.evidence}"
        for examination in EXAMINATIONS
        for invariant, breach in reader.read(examination.query())
    ]
