"""Which clocks contradict, which give way, and what a run is claimed under."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.base.durations import show
from lanes.base.errors import ConfigError
from lanes.config import Clocks, Config, from_data
from lanes.text.hosted import lets_act
from lanes_storage.law import OnInterrupt, OnSurvivors, RunnerKind
from tests.config.conftest import RUNNER, Load, Refuse
from tests.kit.acting import REQUESTS

PROVIDER, COMMAND, PYTHON, ACP = RunnerKind.PROVIDER, RunnerKind.COMMAND, RunnerKind.PYTHON, RunnerKind.ACP


def test_the_defaults(loaded: Load) -> None:
    assert loaded("").clocks == Clocks(
        heartbeat_interval_ms=5_000,
        stale_after_ms=30_000,
        reconcile_interval_ms=5_000,
        run_timeout_ms=300_000,
        stall_timeout_ms=120_000,
        warn_held_after_ms=60_000,
        warn_wait_after_ms=30_000,
        abort_grace_ms=10_000,
        drain_timeout_ms=25_000,
        max_park_ms=600_000,
        keep_messages_ms=1_209_600_000,
        keep_events_ms=1_209_600_000,
        keep_conversations_ms=90 * 86_400_000,
    )


def limits(loaded: Load, clocks: str, kind: RunnerKind = PROVIDER) -> tuple[int | None, int | None]:
    found = loaded(f"{RUNNER}[clocks]\n{clocks}").clocks_for("any", kind)
    return found.run_timeout_ms, found.stall_timeout_ms


def test_command_runs_have_defaults_of_their_own_where_nothing_is_set(loaded: Load) -> None:
    assert limits(loaded, "", COMMAND) == limits(loaded, "", ACP) == (3_600_000, 900_000)
    assert limits(loaded, "", PYTHON) == limits(loaded, "") == (300_000, 120_000)
    assert limits(loaded, "run_timeout = '10m'", COMMAND) == (600_000, 600_000)
    assert limits(loaded, "stall_timeout = '1m'", COMMAND) == (3_600_000, 60_000)
    assert limits(loaded, "run_timeout = '5m'", COMMAND) == (300_000, 300_000)


@pytest.mark.parametrize(
    ("clocks", "run", "stall"),
    [
        ("run_timeout = '1m'", 60_000, 60_000),
        ("run_timeout = '2m'", 120_000, 120_000),
        ("stall_timeout = '10m'", 600_000, 600_000),
        ("stall_timeout = 'off'", 300_000, None),
        ("run_timeout = 'off'", None, 120_000),
        ("run_timeout = 'off'\nstall_timeout = 'off'", None, None),
        ("run_timeout = '1m'\nstall_timeout = 'off'", 60_000, None),
        ("run_timeout = '1m'\nstall_timeout = '1m'", 60_000, 60_000),
    ],
)
def test_a_limit_that_is_not_set_gives_way(loaded: Load, clocks: str, run: int | None, stall: int | None) -> None:
    assert limits(loaded, clocks) == (run, stall)


def test_heartbeat_and_stale_give_way_to_each_other(loaded: Load) -> None:
    def beat(clocks: str) -> tuple[int, int]:
        found = loaded(f"[clocks]\n{clocks}").clocks
        return found.heartbeat_interval_ms, found.stale_after_ms

    assert beat("stale_after = '10s'") == (3_333, 10_000)
    assert beat("heartbeat_interval = '20s'") == (20_000, 60_000)
    assert beat("heartbeat_interval = '1s'") == (1_000, 30_000)
    assert beat("heartbeat_interval = '1s'\nstale_after = '3s'") == (1_000, 3_000)


def test_a_derived_value_says_so(loaded: Load) -> None:
    settings = {s.name: s for s in loaded(f"{RUNNER}[clocks]\nrun_timeout = '30s'").settings()}
    assert (settings["clocks.run_timeout"].value, settings["clocks.run_timeout"].origin) == ("30s", "file")
    assert (settings["clocks.stall_timeout"].value, settings["clocks.stall_timeout"].origin) == ("30s", "derived")
    assert settings["provider.one.idle_timeout"].value == "29s"
    assert settings["provider.one.idle_timeout"].origin == "derived"
    assert settings["provider.one.connect_timeout"].origin == "default"


def test_provider_timeouts_that_are_not_set_give_way_to_the_lane(loaded: Load) -> None:
    config = loaded(f"{RUNNER}[[policy]]\nmatch = 'quick:*'\nstall_timeout = '3s'\n")
    slow, quick = config.provider("one", "slow:1"), config.provider("one", "quick:1")
    assert (slow.connect_timeout_ms, slow.first_byte_timeout_ms, slow.idle_timeout_ms) == (10_000, 45_000, 45_000)
    assert (quick.connect_timeout_ms, quick.first_byte_timeout_ms, quick.idle_timeout_ms) == (2_700, 2_700, 2_700)
    assert config.provider("one") == config.providers["one"] == slow
    with pytest.raises(KeyError):
        config.provider("two")


@pytest.mark.parametrize(
    ("idle", "clocks", "run", "stall"),
    [
        ("3m", "", 300_000, 300_000),
        ("10m", "", 601_000, 601_000),
        ("3m", "run_timeout = 'off'", None, 181_000),
        ("3m", "run_timeout = '4m'", 240_000, 240_000),
        ("3m", "stall_timeout = 'off'", 300_000, None),
        ("90s", "", 300_000, 120_000),
    ],
)
def test_a_stall_timeout_that_is_not_set_gives_way_to_the_provider(
    loaded: Load, idle: str, clocks: str, run: int | None, stall: int | None
) -> None:
    text = RUNNER.replace('model = "m"', f'model = "m"\nidle_timeout = "{idle}"')
    config = loaded(f"{text}[clocks]\n{clocks}")
    assert (config.clocks.run_timeout_ms, config.clocks.stall_timeout_ms) == (run, stall)
    assert config.clocks_for("any", PYTHON).stall_timeout_ms == (None if stall is None else 120_000)


def test_the_environment_can_contradict_the_file(refused: Refuse) -> None:
    sentence = refused("[clocks]\nrun_timeout = '1m'", {"LANES_CLOCKS_STALL_TIMEOUT": "2m"})
    assert sentence.startswith("environment variable LANES_CLOCKS_STALL_TIMEOUT: clocks.stall_timeout = 2m: contra")
    assert "clocks.run_timeout = 1m (lanes.toml:2)" in sentence


@pytest.mark.parametrize(
    "text",
    [
        # No key matches both.
        "[[policy]]\nmatch = 'a:*'\nrun_timeout = '1m'\n[[policy]]\nmatch = 'b:*'\nstall_timeout = '2m'",
        # The first sets both, so the second never completes it.
        "[[policy]]\nmatch = 'a:*'\nrun_timeout = '1m'\nstall_timeout = '1m'\n"
        "[[policy]]\nmatch = '*'\nstall_timeout = '2m'",
        # An earlier policy hides the pair.
        "[[policy]]\nmatch = '*'\nstall_timeout = '10s'\n[[policy]]\nmatch = 'a*'\nrun_timeout = '1m'\n"
        "[[policy]]\nmatch = 'a*'\nstall_timeout = '2m'",
        # A Python runner asks no provider.
        RUNNER.replace("\n\n[[runner", "\nidle_timeout = '1m'\n\n[[runner")
        + "[[runner]]\nname = 'own'\nkind = 'python'\ntarget = 'a:b'\n"
        + "[[policy]]\nmatch = 'a'\nrunner = 'own'\nstall_timeout = '30s'",
    ],
)  # fmt: skip
def test_what_no_lane_ever_sees_is_no_contradiction(loaded: Load, text: str) -> None:
    assert loaded(text).policies


def test_many_policies_are_checked_quickly(loaded: Load) -> None:
    text = "".join(
        f"[[policy]]\nmatch = 'a{i}:*'\nrun_timeout = '{i + 1}m'\nstall_timeout = '{i + 1}m'\n" for i in range(60)
    )
    assert loaded(text).terms("a7:x", PROVIDER).stall_timeout_ms == 480_000


def accepted(data: dict[str, Any]) -> Config | None:
    """The configuration, None where two values contradict."""
    try:
        return from_data(data, env={})
    except ConfigError as error:
        if "contradicts" not in str(error):
            raise
        return None


DURATIONS = st.none() | st.just("off") | st.integers(30, 2_000_000).map(show)
SET_DURATIONS = st.none() | st.integers(30, 2_000_000).map(show)


@given(DURATIONS, DURATIONS, SET_DURATIONS, SET_DURATIONS, SET_DURATIONS)
def test_what_is_accepted_fits(
    run: str | None, stall: str | None, beat: str | None, stale: str | None, idle: str | None
) -> None:
    given_clocks = {"run_timeout": run, "stall_timeout": stall, "heartbeat_interval": beat, "stale_after": stale}
    provider = {"name": "one", "base_url": "http://h", "model": "m", "idle_timeout": idle}
    data = {
        "clocks": {name: value for name, value in given_clocks.items() if value},
        "provider": [{name: value for name, value in provider.items() if value}],
        "runner": [{"name": "chat", "kind": "provider", "providers": ["one"]}],
    }
    config = accepted(data)
    if config is None:
        assert sum(value is not None for value in (run, stall, beat, stale, idle)) >= 2
        return
    clocks, one = config.clocks, config.providers["one"]
    assert clocks.heartbeat_interval_ms * 3 <= clocks.stale_after_ms
    if clocks.stall_timeout_ms is not None:
        assert clocks.run_timeout_ms is None or clocks.stall_timeout_ms <= clocks.run_timeout_ms
        assert max(one.connect_timeout_ms, one.first_byte_timeout_ms, one.idle_timeout_ms) < clocks.stall_timeout_ms
    listed = {s.name: s for s in config.settings()}
    for name, value in given_clocks.items():
        if value is not None:
            assert (listed[f"clocks.{name}"].value, listed[f"clocks.{name}"].origin) == (value, "file")


def test_the_terms_of_a_run(loaded: Load) -> None:
    config = loaded(
        RUNNER
        + "[queue]\non_interrupt = 'pause'\n[clocks]\nabort_grace = '1s'\n"
        + "[[policy]]\nmatch = 'a:*'\non_interrupt = 'fail'\nmax_park = '1m'\nreconcile_interval = '1s'\n"
        + "[[policy]]\nmatch = '*:x'\nrun_timeout = 'off'\nmax_park = '2m'\non_survivors = 'start'\n"
    )
    terms = config.terms("a:x", PROVIDER)
    assert (terms.run_timeout_ms, terms.stall_timeout_ms) == (None, 120_000)
    assert (terms.abort_grace_ms, terms.max_park_ms, terms.reconcile_interval_ms) == (1_000, 60_000, 1_000)
    assert (terms.on_interrupt, terms.warn_held_after_ms) == (OnInterrupt.FAIL, 60_000)
    assert config.terms("b:x", COMMAND).on_survivors is OnSurvivors.START
    assert config.terms("b", COMMAND).on_survivors is OnSurvivors.PAUSE
    assert config.terms("b", PYTHON).on_interrupt is OnInterrupt.PAUSE


def test_the_interruption_policies_by_kind(loaded: Load) -> None:
    config = loaded("")
    by_kind = {kind: config.terms("any", kind) for kind in RunnerKind}
    assert {kind: terms.on_interrupt for kind, terms in by_kind.items()} == {
        PROVIDER: OnInterrupt.REQUEUE, COMMAND: OnInterrupt.FAIL, PYTHON: OnInterrupt.FAIL, ACP: OnInterrupt.FAIL,
    }  # fmt: skip
    assert {kind: terms.on_survivors for kind, terms in by_kind.items()} == {
        PROVIDER: OnSurvivors.START, COMMAND: OnSurvivors.PAUSE, PYTHON: OnSurvivors.START, ACP: OnSurvivors.PAUSE,
    }  # fmt: skip


def test_F461_a_request_that_lets_its_provider_act_is_not_run_again_unless_somebody_says_so(loaded: Load) -> None:
    config = loaded(RUNNER + "[[policy]]\nmatch = 'again:*'\non_interrupt = 'requeue'\n")
    terms = {key: config.terms(key, PROVIDER) for key in ("a", "again:a")}
    assert {found.on_interrupt for found in terms.values()} == {OnInterrupt.REQUEUE}
    assert config.terms("a", PROVIDER, acts=True) == terms["a"]._replace(on_interrupt=OnInterrupt.FAIL)
    assert config.terms("again:a", PROVIDER, acts=True) == terms["again:a"]


def test_F461_so_is_every_run_of_a_provider_that_is_configured_to_act(loaded: Load) -> None:
    acts = RUNNER.replace('model = "m"', 'model = "m"\nextra_body = { tools = [{ type = "web_search" }] }')
    assert loaded(acts).terms("a", PROVIDER).on_interrupt is OnInterrupt.FAIL
    assert loaded(acts + "[queue]\non_interrupt = 'requeue'").terms("a", PROVIDER).on_interrupt is OnInterrupt.REQUEUE


@pytest.mark.parametrize(("asked", "acts"), REQUESTS)
def test_which_requests_let_their_provider_act(asked: dict[str, Any], acts: bool) -> None:
    assert lets_act(asked) is acts


def test_the_first_policy_wins_key_by_key(loaded: Load) -> None:
    config = loaded(
        RUNNER
        + "[[runner]]\nname = 'own'\nkind = 'python'\ntarget = 'a:b'\n[queue]\ncap = 9\n"
        + "[[policy]]\nmatch = 'a:*'\ncap = 1\n[[policy]]\nmatch = '*'\ncap = 2\nrunner = 'own'\n"
    )
    assert [config.policy(key).cap for key in ("a:b", "A:b", "b")] == [1, 2, 2]
    assert config.policy("a:b").runner == "own"
    assert (config.policy("a:b").mode, config.policy("a:b").overflow) == ("queue", "reject")


def test_the_limits_follow_the_providers_of_the_runner(loaded: Load) -> None:
    config = loaded(
        RUNNER
        + "[[provider]]\nname = 'slow'\nbase_url = 'http://h'\nmodel = 'm'\nidle_timeout = '3m'\n"
        + "[[runner]]\nname = 'patient'\nkind = 'provider'\nproviders = ['slow']\n"
        + "[[policy]]\nmatch = 'p:*'\nrunner = 'patient'\n"
    )
    assert config.terms("any", PROVIDER).stall_timeout_ms == 120_000
    assert config.terms("p:1", PROVIDER).stall_timeout_ms == 300_000
    assert config.terms("any", PROVIDER, runner="patient").stall_timeout_ms == 300_000
    assert config.provider("slow", "p:1").idle_timeout_ms == 180_000
