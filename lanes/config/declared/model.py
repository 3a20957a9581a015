"""The parts of a configuration as the rest of the program uses them: frozen, with durations in milliseconds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lanes.config.declared.values import Value
from lanes_storage.law import Mode, Overflow, PermittedBy, RunnerKind
from lanes_storage.records import Admission

#: The kinds of runners whose runs start a program.
PROGRAMS = frozenset({RunnerKind.COMMAND, RunnerKind.ACP})


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """``url`` is a path or a URL; None where none is named (see ``places.find_database``)."""

    url: str | None
    synchronous: Literal["full", "normal"]


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Where the gateway listens and whom it lets in.

    ``token`` is the bearer token itself, None where none is configured; ``token_name`` is the name of its variable or
    file, which may be shown, and is empty without a token. ``session_from`` lists further fields of a ``/v1`` request
    that may name the lane, ``allowed_hosts`` names that the Host header may carry besides ``host`` and loopback.
    """

    host: str
    port: int
    token: str | None = field(repr=False)
    token_name: str
    session_from: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    max_body_bytes: int


@dataclass(frozen=True, slots=True)
class Clocks:
    """Every clock, in milliseconds. None for the two limits that may be ``off``."""

    heartbeat_interval_ms: int
    stale_after_ms: int
    reconcile_interval_ms: int
    run_timeout_ms: int | None
    stall_timeout_ms: int | None
    warn_held_after_ms: int
    warn_wait_after_ms: int
    abort_grace_ms: int
    drain_timeout_ms: int
    max_park_ms: int
    keep_messages_ms: int
    keep_events_ms: int
    keep_conversations_ms: int


@dataclass(frozen=True, slots=True)
class HooksConfig:
    """The hooks: targets, ``module:function``, None where there is none."""

    before_run: str | None
    after_run: str | None
    notice: str | None
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """The limits of each process of a run. ``user``: the name of the user that it runs as; None: the gateway's."""

    user: str | None = None
    nice: int = 0
    max_memory_bytes: int | None = None
    max_cpu_s: int | None = None


@dataclass(frozen=True, slots=True)
class CommandConfig:
    """The program of a runner of kind ``command`` or ``acp``; paths are absolute. ``rules`` are those of
    ``output = "jsonl"``. For ``acp``, settings that only kind ``command`` has are at their defaults."""

    argv: tuple[str, ...]
    resume: tuple[str, ...]
    takes_stdin: bool
    converses: bool  # it takes input while it works
    output: str
    cwd: str
    keep_cwd: bool
    worktree_of: str | None
    env: tuple[str, ...]
    wrap: tuple[str, ...]
    max_output_bytes: int
    limits: ProcessLimits
    rules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunnerConfig:
    """One ``[[runner]]``. ``providers``, ``history`` and ``system`` are for kind ``provider``, ``target`` for
    kind ``python`` (``module:function``). ``history``: how many turns of the lane's conversation are sent, together of
    at most ``history_characters`` and ``history_tokens``. ``isolated``: each run has its own process, with these
    limits. ``env``: variables of the gateway that its processes get, besides those for every runner of its kind."""

    name: str
    kind: RunnerKind
    max_runs: int
    providers: tuple[str, ...] = ()
    history: int = 20
    history_characters: int = 400_000
    history_tokens: int | None = None
    system: str | None = None
    target: str | None = None
    command: CommandConfig | None = None
    isolated: ProcessLimits | None = None
    env: tuple[str, ...] = ()


class Price(NamedTuple):
    """Prices in US dollars per million tokens, that is, in millionths of a dollar per token."""

    input: float
    output: float
    cached: float


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One ``[[provider]]``. ``api_key`` is the key itself, None where none is configured or it is missing.

    ``trace``: each request names its lane and run. ``max_tokens`` limits an answer where its dialect needs a limit and
    the request names none. ``fixed`` names the explicit timeouts; the others are fitted below the stall timeout of a
    lane, so take the provider from ``Config.provider(name, key)`` where a key is known.
    """

    name: str
    dialect: str
    base_url: str
    model: str
    api_key: str | None = field(repr=False)
    connect_timeout_ms: int
    first_byte_timeout_ms: int
    idle_timeout_ms: int
    trace: bool = False
    max_tokens: int = 8192
    api_key_header: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    proxy: str | None = None
    ca_file: str | None = None
    price: Price | None = None
    max_requests: int | None = None
    max_cooldown_ms: int = 600_000
    fixed: frozenset[str] = frozenset()
    clients_key: bool = False  # each client sends its own key, which goes nowhere else
    key_setting: str = "api_key_env"  # the setting that names its key; ``where``: its file and line, for people
    where: str = ""

    def key_header(self, usual: str) -> tuple[str, str] | None:
        """The header that carries the key; None without one. ``usual`` is what its dialect calls that header."""
        if not self.api_key:
            return None
        name = self.api_key_header or usual
        return name, f"Bearer {self.api_key}" if name.lower() == "authorization" else self.api_key


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One ``[[source]]``: a program whose requests are passed on unchanged. ``token`` is the token itself, None where
    it is missing. ``provider`` has the timeouts of the source. ``limits`` apply to its runs unless a policy sets
    others."""

    name: str
    provider: ProviderConfig
    token: str | None = field(repr=False)
    session_from: tuple[str, ...]
    concurrency: int
    abort_text: str
    answers_aborts: bool
    max_body_bytes: int
    limits: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """One ``[[watch]]``: another program's gateway. ``token`` is the token itself; None: none is configured, or it is
    missing. A limit that is off is None."""

    name: str
    kind: str
    url: str
    token: str | None = field(repr=False)
    files: Path | None
    warn_silent_after_ms: int | None
    auto_abort_after_ms: int | None


@dataclass(frozen=True, slots=True)
class AlertConfig:
    """One ``[[alert]]``. ``on``: the kinds of incidents that it reports; ``url``: the address of its webhook, None
    where it has a command, or the address is missing. ``glob``: the keys of its lanes, None for all."""

    name: str
    on: frozenset[str]
    url: str | None = field(repr=False)
    command: tuple[str, ...]
    form: str
    timeout_ms: int
    after_ms: int
    glob: str | None = None


class PolicyConfig(NamedTuple):
    """One ``[[policy]]``: the glob over keys, and its values by the names of the settings."""

    match: str
    pattern: re.Pattern[str]
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Policy:
    """The policy for messages of one lane. ``runner`` is empty where no runner is configured."""

    runner: str
    mode: Mode
    cap: int
    overflow: Overflow
    debounce_ms: int
    concurrency: int
    max_wait_ms: int | None = None
    max_per_minute: int | None = None
    priority: int = 0
    permissions: PermittedBy = PermittedBy.OPERATOR

    @cached_property
    def admission(self) -> Admission:
        """The rules by which a message is accepted."""
        return Admission(
            cap=self.cap,
            mode=self.mode,
            overflow=self.overflow,
            max_wait_ms=self.max_wait_ms,
            max_per_minute=self.max_per_minute,
            permissions=self.permissions,
            concurrency=self.concurrency,
        )
