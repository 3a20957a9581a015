"""``--url`` gives what the same command gives on the file: one gateway, asked both ways."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lanes.commands.common.entry import run
from lanes.drivers import client
from lanes.verbs import sending
from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.doors import Accepted
from lanes_storage.interface import Transaction
from lanes_storage.records import Admission, NewMessage
from tests.kit.processes import House, Process, house
from tests.kit.simulated import simulated
from tests.kit.stage import MINUTE, TERMS, Stage

#: However slow the machine, no run is past a limit in the middle of a test, and no warning comes between two looks.
LONG = TERMS._replace(run_timeout_ms=1440 * MINUTE, stall_timeout_ms=1440 * MINUTE)

CONFIG = """
[clocks]
warn_wait_after = "1d"

[gateway]
{token}
"""


class Both(NamedTuple):
    """A gateway with a staged database, and the ways to it."""

    made: House
    stage: Stage
    owner: int  # this process, which holds lanes and does not beat
    gateway: Process

    @property
    def file(self) -> tuple[str, ...]:
        return "--db", str(self.made.database)

    @property
    def url(self) -> tuple[str, ...]:
        return "--url", self.gateway.url


class Called(NamedTuple):
    """What a command did, without what differs between two calls: times, ages, numbers."""

    code: int
    out: Any
    err: str


TIME = re.compile(r"\d{4}-\d\d-\d\d[T ][0-9:.]+Z")
ACTOR = re.compile(r"[\w.-]+@[\w.:-]+( pts/\d+)?")
NUMBERS = re.compile(r"\d+(\.\d+)?( ?(ms|s|m|h|d)\b)?( \d+ ?(ms|s|m|h|d)\b)*")
IDS = {"id", "epoch", "epoch_before", "epoch_after", "run_id", "message_id", "retry_of", "retried_as"}


def plain(text: str, *hidden: str) -> str:
    """Words: without times, who asked, numbers and ages."""
    text = TIME.sub("TIME", text)
    for key in hidden:
        text = text.replace(key, "LANE")
    text = NUMBERS.sub("N", ACTOR.sub("ACTOR", text))
    return re.sub(r"[ ─]+", " ", text)


def same(value: Any, hidden: tuple[str, ...]) -> Any:
    """A form: without ages; where lanes differ (``hidden``), without what tells them apart as well."""
    if isinstance(value, list):
        return [same(one, hidden) for one in value]
    if not isinstance(value, dict):
        return plain(value, *hidden) if isinstance(value, str) and (hidden or " " in value) else value
    return {
        name: None if name.endswith("_s") or (hidden and name in IDS) else same(one, hidden)
        for name, one in value.items()
    }


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with house(tmp_path_factory.mktemp("both")) as made:
        made.config.write_text(CONFIG.format(token="") + simulated(made.provider(), "sim-echo"))
        gateway = made.gateway()
        stage = Stage(made.database)
        owner = stage.owner(kind="desk", stale_after_ms=60 * MINUTE)
        _furnish(stage, owner)
        yield Both(made, stage, owner, gateway)
        stage.close()


def paused(stage: Stage, key: str) -> None:
    """Keep the gateway from running what waits in a lane."""
    stage.store.write(lambda tx: doors.pause(tx, key, system_clock(), actor="me", reason="staged", until=None))


def _furnish(stage: Stage, owner: int) -> None:
    for key in ("held", "errored", "looked at/ü%"):
        claimed = _hold(stage, key, owner)
        if key == "errored":
            paused(stage, key)  # while it is held: the gateway would be quicker
            stage.fail(claimed)
        stage.send(key, "one that waits", "another")


def _hold(stage: Stage, key: str, owner: int) -> Any:
    """A lane that this process holds; the gateway can not be quicker, since the head is bound."""
    from lanes.base.procedure import run as perform
    from lanes.context import Context
    from lanes_storage.law import BoundTo

    perform(
        stage.store,
        sending.send(Context("tester"), key, "the one that runs", bound_to=BoundTo.WAITER, bound_owner=owner),
    )
    return stage.claim(key, owner, LONG)


@pytest.fixture
def call(
    both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Called]:
    """Calls a command in this process, which is not where the gateway is."""
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("LANES_DB", "LANES_URL", "LANES_TOKEN", "LANES_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def calling(*arguments: str, hidden: tuple[str, ...] = ()) -> Called:
        capsys.readouterr()
        code = run(arguments)
        out, err = capsys.readouterr()
        form = same(json.loads(out), hidden) if "--json" in arguments and out else plain(out, *hidden)
        return Called(code, form, plain(err, *hidden))

    return calling


LOOKING = [
    "status",
    "list",
    "list --held",
    "list --state errored --state running --limit 1",
    "list --match held*",
    "list --held-for 1h",
    "list state:err,run !looked",
    "list sate:errored",
    "messages errored --filter state:failed",
    "dead-letters --filter cause:provider_failed",
    "events --filter actor:tester*",
    "events --filter actor:nobody",
    "show held",
    "show errored",
    "show nobody",
    "why held",
    "why errored",
    "why nobody",
    "messages errored",
    "messages errored --state queued --limit 1",
    "messages nobody",
    "dead-letters",
    "events",
    "events errored",
    "events errored --type fail --since 1h",
    "events --limit 2",
    "events nobody",
    "drain --dry-run",
    "drain 999 --dry-run",
    "reconcile --dry-run",
    "abort --all --dry-run",
    "abort --match e* --scope queue --dry-run",
    "abort held nobody --dry-run",
]


@pytest.mark.parametrize("form", ["human", "json"])
@pytest.mark.parametrize("command", [*LOOKING, ["show", "looked at/ü%"], ["messages", "looked at/ü%"]], ids=str)
def test_looking(both: Both, call: Callable[..., Called], command: str | list[str], form: str) -> None:
    words = command.split() if isinstance(command, str) else command
    more = ("--json",) if form == "json" else ()
    here, there = call(*words, *more, *both.file), call(*words, *more, *both.url)
    assert there == here


class Case(NamedTuple):
    """A command on a lane of its own, and what is done before."""

    words: str
    before: Callable[[Both, str], Any] = lambda both, key: None


def waiting(both: Both, key: str) -> str:
    """A paused lane with a message; returns its id."""

    def step(tx: Transaction) -> int:
        """Both at once, or the gateway would be quicker."""
        accepted = doors.accept(NewMessage(key, "waits", actor="tester"), Admission(cap=20), system_clock())(tx)
        doors.pause(tx, key, system_clock(), actor="me", reason="staged")
        assert isinstance(accepted, Accepted)
        return accepted.message_id

    return str(both.stage.store.write(step))


def held(both: Both, key: str) -> str:
    return str(_hold(both.stage, key, both.owner).message.id)


def errored(both: Both, key: str) -> str:
    claimed = _hold(both.stage, key, both.owner)
    both.stage.fail(claimed)
    return str(claimed.message.id)


def retried(both: Both, key: str) -> str:
    number = errored(both, key)
    paused(both.stage, key)
    assert run(("retry", number, *both.file)) == 0
    return number


def full(both: Both, key: str) -> str:
    paused_first = waiting(both, key)
    both.stage.send(key, *["more"] * 19)
    return paused_first


ACTING = {
    "send": Case("send {key} hello", waiting),
    "send with a name twice": Case("send {key} hello --idempotency-key ünïque", waiting),
    "send if idle": Case("send {key} hello --if-idle", waiting),
    "send to a full lane": Case("send {key} hello", full),
    "send and wait": Case("send {key} hello --wait"),
    "send and wait for nothing": Case("send {key} hello --wait --timeout 20ms", waiting),
    "send what fails": Case("send {key} [[sim-server-error]] --wait"),
    "abort without waiting": Case("abort {key} --no-wait", held),
    "abort by force": Case("abort {key} --force --reason stuck", held),
    "abort with its queue": Case("abort {key} --scope both --force", held),
    "abort in vain": Case("abort {key} --timeout 50ms", held),
    "abort of another epoch": Case("abort {key} --epoch 1", held),
    "abort of nothing": Case("abort {key}", errored),
    "abort of nobody": Case("abort {key}"),
    "pause": Case("pause {key} --for 10m --reason repair", errored),
    "pause of nobody": Case("pause {key}"),
    "resume": Case("resume {key}", held),
    "ack": Case("ack {key}", errored),
    "ack of a held lane": Case("ack {key}", held),
    "retry": Case("retry {id}", errored),
    "retry of a filter": Case("retry --filter key:={key}", errored),
    "retry of a filter that fits nothing": Case("retry --filter key:={key}", waiting),
    "drop of a filter": Case("drop --filter key:={key}", waiting),
    "count before a drop": Case("drop --filter key:={key} --dry-run", waiting),
    "ack of a filter": Case("ack --filter key:={key}", errored),
    "retry of what runs": Case("retry {id}", held),
    "retry twice": Case("retry {id}", retried),
    "drop": Case("drop {id}", waiting),
    "drop of what runs": Case("drop {id}", held),
    "drop of nothing": Case("drop 999999"),
}


@pytest.mark.parametrize("form", ["human", "json"])
@pytest.mark.parametrize("name", ACTING)
def test_acting(both: Both, call: Callable[..., Called], name: str, form: str) -> None:
    case, more = ACTING[name], ("--json",) if form == "json" else ()
    outcomes = []
    for number, way in enumerate((both.file, both.url)):
        key = f"{name}:{form}:{number}"
        message = case.before(both, key)
        words = [word.format(key=key, id=message) for word in case.words.split()]
        first = call(*words, *more, *way, hidden=(key,))
        again = call(*words, *more, *way, hidden=(key,)) if "twice" in name else None
        outcomes.append((first, again))
    here, there = outcomes
    assert there == here


def test_many_lanes_come_in_pages(both: Both, call: Callable[..., Called], monkeypatch: pytest.MonkeyPatch) -> None:
    from lanes.verbs import paging

    monkeypatch.setattr(paging, "PAGE", 2)
    for command in (["list"], ["events"], ["messages", "errored"], ["dead-letters"], ["list", "--limit", "3"]):
        here, after = call(*command, "--json", *both.file), None
        while here != after:  # the gateway may write meanwhile
            here, there, after = (call(*command, "--json", *where) for where in (both.file, both.url, both.file))
        assert there == here


def test_dead_letters_are_pruned_at_the_gateway(both: Both, call: Callable[..., Called]) -> None:
    number = errored(both, "pruned")
    assert call("dead-letters", "--prune", "--older-than", "1h", "--yes", "--json", *both.url).out == {"pruned": 0}
    assert call("dead-letters", "--prune", "--older-than", "0s", "--yes", "--json", *both.url).out["pruned"] > 0
    listed = call("dead-letters", "--json", *both.file).out
    assert number not in [message["id"] for message in listed]


def test_several_aborts_at_once(both: Both, call: Callable[..., Called]) -> None:
    for key in ("bulk:1", "bulk:2", "bulk:3"):
        held(both, key)
    done = call("abort", "--match", "bulk:*", "--force", "--yes", "--json", *both.url)
    assert done.code == 0
    assert [result["outcome"] for result in done.out] == ["forced"] * 3


def test_the_doctor_of_the_gateway(both: Both, call: Callable[..., Called]) -> None:
    there = call("doctor", "--json", *both.url)
    assert there.code == 0
    assert {check["check"] for check in there.out} >= {"owners", "port"}
    assert "all is well" in call("doctor", *both.url).err or "warning" in call("doctor", *both.url).err


def test_following_the_journal_of_a_gateway(both: Both, tmp_path: Path) -> None:
    words = ("events", "--follow", "--json", "--url", both.gateway.url)
    follower = both.made.start(*words, name="follower", forked=True)
    both.made.lanes("send", "followed", "hello", "--wait")
    from tests.kit.processes import eventually

    eventually(lambda: '"key": "followed"' in follower.said() and '"complete"' in follower.said(), "the event")


def test_a_gateway_that_does_not_answer(
    both: Both, call: Callable[..., Called], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE_S", 0.3)
    both.gateway.freeze(both.made.database)
    try:
        for command in (["status"], ["abort", "held"], ["send", "x", "hello"], ["list"]):
            done = call(*command, *both.url)
            assert (done.code, done.out) == (69, "")
            assert "no answer within" in done.err
    finally:
        both.gateway.thaw()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://nowhere.invalid:1"])
def test_nothing_is_there(call: Callable[..., Called], url: str) -> None:
    done = call("status", "--url", url)
    assert done.code == 69
    assert "gateway" in done.err


@pytest.mark.parametrize(
    "url",
    ["nonsense", "ftp://x", "http://", "http://[", "http://x:99999999", "http://me:se/cret@x", "ftp://me:secret@x"],
)
def test_what_is_no_url(call: Callable[..., Called], url: str) -> None:
    done = call("status", "--url", url)
    assert done.code in (69, 78)
    assert "Traceback" not in done.err
    assert "cret" not in done.err


def test_database_and_gateway_together(
    both: Both, call: Callable[..., Called], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("status", *both.file, *both.url).code == 2
    assert call("gateway", *both.url).code in (2, 78)
    monkeypatch.setenv("LANES_URL", both.gateway.url)
    assert call("status").code == 0
    assert call("status", *both.file).code == 0
    monkeypatch.setenv("LANES_DB", str(both.made.database))
    assert call("status").code == 2
    assert call("status", *both.url).code == 0


def test_a_token(tmp_path: Path, call: Callable[..., Called], monkeypatch: pytest.MonkeyPatch) -> None:
    with house(tmp_path) as made:
        secret = tmp_path / "token"
        secret.write_text("se cret")
        made.config.write_text(
            CONFIG.format(token=f'token_file = "{secret}"') + simulated("http://127.0.0.1:9", "sim-echo")
        )
        gateway = made.gateway()
        refused = call("status", "--url", gateway.url)
        assert refused.code == 78
        assert "LANES_TOKEN" in refused.err
        monkeypatch.setenv("LANES_TOKEN", " se cret\r\n")  # as a gateway reads it: a file of variables may have that
        assert call("status", "--url", gateway.url).code == 0
        monkeypatch.setenv("LANES_TOKEN", "the one of last week")
        refused = call("status", "--url", gateway.url)
        assert refused.code == 78
        assert "refuses the token in LANES_TOKEN" in refused.err
