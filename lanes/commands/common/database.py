"""Which database a command acts on where none is named, and how a gateway is started on one."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from lanes.config.declared import places
from lanes.config.declared.places import ChosenBy, FoundDatabase
from lanes_storage import open_store, reads
from lanes_storage.errors import DatabaseMissing, DatabaseTooOld, StorageError
from lanes_storage.law import SIMULATED

if TYPE_CHECKING:
    from lanes.config import Config


def unnamed() -> tuple[FoundDatabase, str]:
    """The database where none is named, and what is to be said of that; nothing, where it is the usual one."""
    found = places.find_database(really_used=_is_kept_to)
    living = places.living_gateways()
    if found.why is ChosenBy.GATEWAY:
        pids = ", ".join(str(note.who.pid) for note in living)
        return found, f"using {found.url}, of the living gateway (pid {pids})"
    if found.why is ChosenBy.LAST:
        return found, f"no gateway lives; using {found.url}, of the last one"
    if living:
        databases = ", ".join(sorted({note.database for note in living}))
        return found, f"gateways live on {databases}: name one with --db; trying {found.url}"
    return found, ""


def real_runner_ran(database: str) -> bool:
    """Whether a gateway with runners of somebody's own ever used a database: no simulated one may answer there."""
    try:
        store = open_store(database, upgrade=False)
    except (DatabaseMissing, DatabaseTooOld):
        return False
    try:
        return store.read(reads.real_runner_ever_ran(SIMULATED))
    finally:
        store.close()


def start_command(config: "Config | None", database: str, *, with_db: bool, with_config: str | None) -> str:
    """The command that starts a gateway on that database, from here.

    ``with_db``, ``with_config``: this command was told of them, so that one has to be told of them too.
    """
    words = ["lanes", "gateway"]
    serves = str(places.default_database()) if config is None or config.database.url is None else config.database.url
    if config is None or not config.runners:
        if _is_kept_to(database):
            return f"configure its runner again, then `{shlex.join([*words, '--db', database])}`"
        words = ["lanes", "up"]
        serves = str(places.demo_database()) if config is None or config.database.url is None else serves
    if with_config is not None:
        words += ["--config", with_config]
    if with_db or _file(serves) != _file(database):
        words += ["--db", database]
    return f"`{shlex.join(words)}`"


def _is_kept_to(database: str) -> bool:
    """One that cannot be read is kept to as well: the command says why."""
    try:
        return real_runner_ran(database)
    except StorageError:
        return True


def _file(database: str) -> Path:
    return Path(database.removeprefix("sqlite:///")).expanduser().absolute()
