"""The command that messages advise for starting a gateway on a database."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lanes.config.declared import places
from lanes.config.declared.values import Origin
from lanes_storage.sqlite.file.paths import absolute

if TYPE_CHECKING:
    from lanes.config import Config


def start_command(config: "Config | None", database: str, real_runner_ran: Callable[[], bool]) -> str:
    """The command to advise: the start of a unit of `lanes guard` that serves this database; otherwise ``lanes
    gateway`` where a runner is configured, else ``lanes up``, with the options that they need.

    ``real_runner_ran``: whether a real runner ever ran on that database, which ``lanes up`` then refuses.
    """
    by_unit = None if config is None else _by_unit(config, database)
    if by_unit is not None:
        return f"`{shlex.join(by_unit)}`"
    serves = None
    if config is not None and config.values["database.url"].origin is not Origin.FLAG:  # a flag is for this call only
        serves = config.database.url
    if config is not None and (config.runners or config.sources):
        words, serves = ["lanes", "gateway"], serves or str(places.default_database())
    elif real_runner_ran():
        words = ["lanes", "gateway", "--db", str(_file(database))]
        return f"`{shlex.join(words)}` once its runner is configured again"
    else:
        words, serves = ["lanes", "up"], serves or str(places.demo_database())
    if config is not None and config.source is not None and _is_to_be_named(config, config.source):
        words += ["--config", str(config.source)]
    if _file(serves) != _file(database):
        words += ["--db", str(_file(database))]
    return f"`{shlex.join(words)}`"


def _by_unit(config: "Config", database: str) -> tuple[str, ...] | None:
    from lanes.guard.units import installed

    if config.source is None:
        return None
    of_file = config.values["database.url"].origin not in (Origin.FLAG, Origin.ENVIRONMENT)
    spellings: list[str | None] = [database, str(_file(database)), f"sqlite:///{_file(database)}"]
    if of_file and _file(config.database.url or str(places.default_database())) == _file(database):
        spellings.append(None)
    units = (installed(config.source, each) for each in spellings)
    return next((unit.again for unit in units if unit is not None), None)


def _is_to_be_named(config: "Config", source: Path) -> bool:
    """Whether a gateway needs ``--config`` for that file: it would not find it, or would refuse its code unnamed."""
    from lanes.config.approval import needs_naming

    return source not in places.config_candidates() or needs_naming(config)


def _file(database: str) -> Path:
    return absolute(Path(database.removeprefix("sqlite:///")).expanduser())
