"""The configuration errors with which a gateway refuses to start, for its start and for `config --check`."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from lanes.base.errors import ConfigError
from lanes.config import Config
from lanes.config.approval import refuse_found_code
from lanes.config.declared import places
from lanes.engine.runs.hooks import configured_hooks
from lanes.runners.build import check_runners
from lanes.server.serve import bind

NO_RUNNER = (
    "no runner is configured: write one into lanes.toml (see docs/configuration.md),"
    " or try `lanes up`, which brings a simulated provider"
)


def refusals(config: Config) -> Iterator[ConfigError]:
    """Everything that ``lanes gateway`` would refuse, in order. Loads the code that the configuration names."""
    if not config.runners and not config.sources:
        yield ConfigError(NO_RUNNER)
    yield from config.refusals()
    trusted = [*_refused(refuse_found_code, config)]
    yield from trusted
    if not trusted:  # code that must not run is not loaded either
        yield from _refused(check_runners, config)
        yield from _refused(configured_hooks, config)


def check(config: Config) -> None:
    """Raise the first ConfigError of ``refusals``."""
    for refused in refusals(config):
        raise refused


def address_refused(config: Config) -> Iterator[ConfigError]:
    """Why a gateway could not listen on its address. A living gateway on that port is none: it would be replaced."""
    port = config.gateway.port
    if not any(note.url and urlsplit(note.url).port == port for note in places.living_gateways()):
        yield from _refused(lambda config: bind(config).close(), config)


def _refused(step: Callable[[Config], Any], config: Config) -> Iterator[ConfigError]:
    try:
        step(config)
    except ConfigError as error:
        yield error
