"""What a gateway refuses to start with, found before it opens anything: for starting one, and for checking a file."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from lanes.base.errors import ConfigError
from lanes.config import Config
from lanes.config.approval import refuse_found_code
from lanes.config.declared import places
from lanes.engine.runs.hooks import configured_hooks
from lanes.runners.build import load_targets
from lanes.server.serve import bind

NO_RUNNER = (
    "no runner is configured: write one into lanes.toml (see docs/configuration.md),"
    " or try `lanes up`, which brings a simulated provider"
)


def refusals(config: Config) -> Iterator[ConfigError]:
    """Everything that ``lanes gateway`` would refuse here, the first first. What the configuration names is loaded."""
    if not config.runners:
        yield ConfigError(NO_RUNNER)
    yield from config.refusals()
    trusted = [*_refused(refuse_found_code, config)]
    yield from trusted
    if not trusted:  # code that is not to be run is not loaded either
        yield from _refused(load_targets, config)
        yield from _refused(configured_hooks, config)


def check(config: Config) -> None:
    """Raises ConfigError for the first of them."""
    for refused in refusals(config):
        raise refused


def address_refused(config: Config) -> Iterator[ConfigError]:
    """Why a gateway could not listen there. One that is listening there now is to be followed by it."""
    port = config.gateway.port
    if not any(note.url and urlsplit(note.url).port == port for note in places.living_gateways()):
        yield from _refused(lambda config: bind(config).close(), config)


def _refused(step: Callable[[Config], Any], config: Config) -> Iterator[ConfigError]:
    try:
        step(config)
    except ConfigError as error:
        yield error
