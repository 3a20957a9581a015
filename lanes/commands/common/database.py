"""Which database a command acts on where none is named."""

from lanes.config.declared import places
from lanes.config.declared.places import ChosenBy, FoundDatabase
from lanes_storage import open_store, reads
from lanes_storage.errors import DatabaseMissing, DatabaseTooOld, StorageError
from lanes_storage.law import SIMULATED


def unnamed() -> tuple[FoundDatabase, str]:
    """The database where none is named, and a sentence that says why; empty for the default one."""
    found = places.find_database(really_used=is_kept_to)
    living = places.living_gateways()
    if found.url == str(places.default_database()) and len({note.database for note in living}) <= 1:
        return found, ""
    if found.why is ChosenBy.GATEWAY:
        pids = ", ".join(str(note.process.pid) for note in living)
        return found, f"using {found.url}, of the gateway with pid {pids}"
    if found.why is ChosenBy.LAST:
        return found, f"no gateway lives; using {found.url}, of the last one"
    if living:
        databases = ", ".join(sorted({note.database for note in living}))
        return found, f"gateways live on {databases}: name one with --db; trying {found.url}"
    return found, ""


def real_runner_ran(database: str) -> bool:
    """Whether a gateway with a real runner ever used a database: then no simulated provider may answer there."""
    try:
        store = open_store(database, upgrade=False)
    except (DatabaseMissing, DatabaseTooOld):
        return False
    try:
        return store.read(reads.real_runner_ever_ran(SIMULATED))
    finally:
        store.close()


def is_kept_to(database: str) -> bool:
    """Whether a database counts as used by a real runner: one ran on it, or it cannot be read, which the command then
    reports."""
    try:
        return real_runner_ran(database)
    except StorageError:
        return True
