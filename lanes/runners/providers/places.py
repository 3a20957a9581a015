"""Whether a provider may be asked now: pure functions of what is stored, of the configuration and of the time."""

import asyncio
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from lanes.config.declared.model import ProviderConfig
from lanes.runners.base import RunnerSpec
from lanes.runners.providers.judge import OF_ONE_OR_ALL
from lanes_storage.clock import Now
from lanes_storage.records import PlacesTaken, ProviderRow
from lanes_storage.records.providers import OF_LOAD

#: How many milliseconds longer than the cooldown a message waits whose refusal may be its own fault: others go first,
#: and show whether it is.
OTHERS_FIRST_MS = 1_000


class ProviderLine:
    """A provider as this process has it configured, with the line of runs that wait here for a place at it.

    ``fingerprint`` identifies its key and address. ``waiting``: how many runs are in line; ``turn``: held by the first.
    """

    def __init__(self, name: str, max_requests: int | None = None, reached: tuple[Any, ...] = ()) -> None:
        self.name = name
        self.max_requests = max_requests
        self.fingerprint = sha256(json.dumps(reached).encode()).hexdigest()[:16] if reached else None
        self.waiting = 0
        self.turn = asyncio.Lock()
        self._reached = reached

    @classmethod
    def of(cls, provider: ProviderConfig) -> "ProviderLine":
        """The line of a configured provider."""
        return cls(provider.name, provider.max_requests, _reached(provider))

    def is_of(self, provider: ProviderConfig) -> bool:
        """Whether it is the same provider, with the same key and address."""
        return self._reached == _reached(provider)


@dataclass(frozen=True, slots=True)
class ChainSpec(RunnerSpec):
    """A runner whose providers are configured, with their lines."""

    lines: tuple[ProviderLine, ...] = ()


def lines_of(spec: RunnerSpec) -> tuple[ProviderLine, ...]:
    """The lines of a runner's providers. For a runner that only names its providers, their requests are not limited."""
    return spec.lines if isinstance(spec, ChainSpec) else tuple(map(ProviderLine, spec.providers))


def _reached(provider: ProviderConfig) -> tuple[Any, ...]:
    """What decides whether a provider can be reached, and takes a request."""
    ways = (provider.base_url, provider.api_key, provider.api_key_header, provider.model, provider.proxy)
    return *ways, provider.ca_file, dict(provider.headers), dict(provider.query)


class ProviderPlace(NamedTuple):
    """What a provider allows now. ``until``: it cools until then (wall time). ``free``: how many more requests may be
    sent (None: any number)."""

    until: int | None = None
    free: int | None = None


class ProviderView(NamedTuple):
    """What is known of providers at a time: their rows, and how many runs have a place at each."""

    rows: Mapping[str, ProviderRow]
    taken: Mapping[str, PlacesTaken]
    now: Now

    def row(self, line: ProviderLine) -> ProviderRow:
        """The stored row of a provider, as far as it holds for the present key and address."""
        return self.rows.get(line.name, ProviderRow(line.name)).under(line.fingerprint)

    def place(self, line: ProviderLine, *, tried: bool = False) -> ProviderPlace:
        """What a provider allows a message. If it may refuse single messages, it cools a little longer for one that was
        ``tried`` before: the others show whether it does."""
        row, now = self.row(line), self.now.wall
        until = row.until or 0
        if tried and not row.probed and (row.cause in OF_ONE_OR_ALL or (row.refused is not None and row.tries > 1)):
            until += OTHERS_FIRST_MS
        if now < until:
            return ProviderPlace(until, 0)
        return ProviderPlace(None, row.free(now, self.taken_at(line), line.max_requests))

    def taken_at(self, line: ProviderLine) -> PlacesTaken:
        """How many runs have a place at a provider."""
        return self.taken.get(line.name, PlacesTaken())

    def of_another_key(self, line: ProviderLine) -> bool:
        """Whether a cooldown is stored for another key or address than the present one, or an error that is only about
        that other one."""
        row = self.rows.get(line.name, ProviderRow(line.name))
        told = row.message is not None and row.cause not in OF_LOAD
        return row.of_another(line.fingerprint) and (told or row.cools(self.now.wall))

    def down(self, line: ProviderLine) -> bool:
        """Whether a provider has cooled after an outage, and has answered none since."""
        row = self.row(line)
        return row.down and not row.cools(self.now.wall)

    def last(self, line: ProviderLine) -> bool:
        """Whether a provider is asked after the others of its chain."""
        return (self.row(line).tried_last_until or 0) > self.now.wall


class ProviderChoice(NamedTuple):
    """The provider that a run asks first, with a place there if its requests are ``limited``.

    ``until``: all of the chain cool until then. ``full``: none of the chain has a place free.
    """

    provider: str | None = None
    limited: bool = False
    until: int | None = None
    full: bool = False


def choose(
    chain: Sequence[ProviderLine], view: ProviderView, claimed: Mapping[str, int], *, tried: bool = False
) -> ProviderChoice:
    """The first provider of a chain that may be asked for a message. ``tried``: the message was claimed before.
    ``claimed``: places that were claimed since the view."""
    untils: list[int] = []
    for line in sorted(chain, key=view.last):
        place = view.place(line, tried=tried)
        if place.until is not None:
            untils.append(place.until)
        elif place.free is None or place.free > claimed.get(line.name, 0) + line.waiting:
            return ProviderChoice(line.name, place.free is not None)
    if not chain:
        return ProviderChoice()
    if len(untils) == len(chain):
        return ProviderChoice(until=min(untils))
    return ProviderChoice(full=True)


def room_at(chain: Sequence[ProviderLine], view: ProviderView) -> int:
    """How many runs of a chain may begin. Where all of its providers cool, any number: those are parked."""
    places = [(line, view.place(line)) for line in chain]
    here = [(line, place) for line, place in places if place.until is None]
    if not here or any(place.free is None for _, place in here):
        return sys.maxsize
    return sum(max(0, (place.free or 0) - line.waiting) for line, place in here)


def needs_places(lines: Iterable[ProviderLine], rows: Mapping[str, ProviderRow], now: Now) -> bool:
    """Whether places must be counted: some requests are limited, by the configuration or until a provider is well."""
    limited = any(line.max_requests is not None for line in lines)
    return limited or any(row.cools(now.wall) or row.recovers(now.wall) for row in rows.values())
