"""``GET /metrics``: the figures of ``lanes status`` in the text format of Prometheus. No label names a lane."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import lanes
from lanes.records import Health, Provider, Status
from lanes.runners.base import RunnerSpec
from lanes.runners.build import Specs
from lanes.server.asgi.request import HttpRequest
from lanes.server.asgi.response import TextResponse
from lanes_storage import reads
from lanes_storage.clock import Now

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


class Gauge(NamedTuple):
    """One figure, or one for each set of labels."""

    name: str
    meaning: str
    samples: Sequence[tuple[Labels, float]]


async def get_metrics(call: HttpRequest) -> TextResponse:
    """Figures for Prometheus."""
    status = await call.searching(call.desk.status())
    refused = await call.desk.store.read(reads.refused_writes())
    now, gateway, state = call.desk.clock(), call.gateway, call.app_state
    gauges = [
        *_of_the_database(status, now, refused),
        Gauge("lanes_build_info", "The version of this gateway.", [({"version": lanes.__version__}, 1)]),
        Gauge("lanes_held_runs", "Lanes that this gateway holds.", [({}, gateway.held)]),
        Gauge(
            "lanes_stray_runs", "Runs that lost their lane and do not stop; each keeps a slot.", [({}, gateway.strays)]
        ),
        Gauge("lanes_ready", "Whether this gateway takes messages.", [({}, gateway.ready)]),
        Gauge("lanes_healthy", "Whether the loops of this gateway tick.", [({}, gateway.healthy())]),
        Gauge("lanes_clients_waiting", "Connections that wait for their message.", [({}, state.clients.waiting)]),
        *_of_health(await call.searching(call.desk.providers())),
        *_of_providers(gateway.specs),
        *_used(gateway.used),
        Gauge("lanes_journal_followers", "Clients that follow the journal here.", [({}, state.feed.followers)]),
    ]
    return TextResponse("".join(map(_written, gauges)), media_type=MEDIA_TYPE)


def _of_the_database(status: Status, now: Now, refused: int) -> Iterable[Gauge]:
    counts, messages = status.counts, status.counts.messages
    oldest = (counts.oldest_head_ms or 0) / 1000
    by_state = [({"state": state}, count) for state, count in counts.lanes.items()]
    cooling = [
        ({"provider": c.provider, "cause": c.cause}, max(0, c.until - now.wall) / 1000) for c in status.cooldowns
    ]
    owners = [({"gateway": str(owner.id)}, owner) for owner in status.gateways]
    beats = [(labels, owner.heartbeat_age_ms / 1000) for labels, owner in owners]
    return [
        Gauge("lanes_lanes", "Lanes by state.", by_state),
        Gauge("lanes_paused_lanes", "Lanes that are paused.", [({}, counts.paused)]),
        Gauge("lanes_glob_pauses", "Pauses of all lanes or of a glob.", [({}, len(status.pauses))]),
        Gauge("lanes_queued_messages", "Messages that wait.", [({}, messages.queued)]),
        Gauge(
            "lanes_dead_letters", "Failed messages that were neither retried nor pruned.", [({}, messages.dead_letters)]
        ),
        Gauge("lanes_oldest_head_seconds", "How long the oldest head has waited; 0 if none waits.", [({}, oldest)]),
        Gauge("lanes_ghost_runs", "Held lanes whose living owner disowns the run.", [({}, counts.ghosts)]),
        Gauge("lanes_unlimited_runs", "Held lanes with a limit that is off.", [({}, counts.unlimited)]),
        Gauge("lanes_refused_writes", "Writes of superseded runs that were refused.", [({}, refused)]),
        Gauge("lanes_cooldown_seconds", "How long until a provider is asked again.", cooling),
        Gauge(
            "lanes_gateway_alive", "Whether a gateway is alive.", [(labels, owner.alive) for labels, owner in owners]
        ),
        Gauge("lanes_gateway_heartbeat_age_seconds", "The age of a gateway's last heartbeat.", beats),
        Gauge("lanes_gateway_held_lanes", "Lanes that a gateway holds.", [(at, owner.held) for at, owner in owners]),
    ]


def _of_health(providers: Iterable[Provider]) -> Iterable[Gauge]:
    named = [({"provider": each.name}, each) for each in providers]
    well = [(labels, each.health is Health.WELL) for labels, each in named]
    most = [(labels, each.max_in_flight) for labels, each in named if each.max_in_flight is not None]
    latency = [(labels, each.latency_ms / 1000) for labels, each in named if each.latency_ms is not None]
    failures = [({**at, "cause": cause}, count) for at, each in named for cause, count in each.failures.items()]
    yield Gauge("lanes_provider_well", "Whether a provider is asked without limits.", well)
    yield Gauge(
        "lanes_provider_in_flight", "Runs that ask a provider now.", [(at, each.in_flight) for at, each in named]
    )
    yield Gauge("lanes_provider_in_flight_max", "How many runs may ask it now, if limited.", most)
    yield Gauge("lanes_provider_latency_seconds", "The mean time to the end of an answer, in the last hour.", latency)
    yield Gauge("lanes_provider_answers", "Answers in the last hour.", [(at, each.answers) for at, each in named])
    yield Gauge("lanes_provider_failures", "Failed requests in the last hour, by cause.", failures)


def _of_providers(specs: Mapping[str, RunnerSpec]) -> Iterable[Gauge]:
    if not isinstance(specs, Specs):
        return
    attempts = [
        ({"provider": name, "outcome": outcome}, count) for (name, outcome), count in specs.health.outcomes.items()
    ]
    failing = [({"provider": name}, specs.health.failing(name)) for name in {name for name, _ in specs.health.outcomes}]
    yield Gauge("lanes_provider_attempts", "How often this gateway asked a provider, by outcome.", attempts)
    yield Gauge("lanes_provider_failing", "Whether the last request of this gateway to a provider failed.", failing)


def _used(used: Mapping[tuple[str, str], int]) -> Iterable[Gauge]:
    tokens = [({"runner": runner, "of": kind}, count) for (runner, kind), count in used.items() if kind != "cost"]
    costs = [({"runner": runner}, micros / 1e6) for (runner, kind), micros in used.items() if kind == "cost"]
    yield Gauge("lanes_tokens", "Tokens that runs of this gateway used, as far as providers report them.", tokens)
    yield Gauge("lanes_cost_usd", "What runs of this gateway cost, as far as prices are known.", costs)


def _written(gauge: Gauge) -> str:
    lines = [f"# HELP {gauge.name} {gauge.meaning}", f"# TYPE {gauge.name} gauge"]
    lines += [f"{gauge.name}{_labels(labels)} {_number(value)}" for labels, value in gauge.samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
