"""status, list, show, why, messages, events: what they print and how they exit."""

import json
import re
from functools import partial
from typing import Any

import pytest

from lanes.commands.common.verbs import pages
from lanes.commands.maintain import config
from lanes.commands.operate import list as list_command
from lanes.commands.output import tables
from lanes.commands.output.layout import OutputColumn, lay_out, width_of
from lanes.commands.serve import status
from lanes.context import Context
from lanes.drivers.local import LocalDriver
from lanes.filters import parse
from lanes.testing.moments import Hands
from lanes.verbs.messages import messages
from lanes.verbs.paging import PAGE
from lanes.verbs.system import events
from lanes.verbs.verb import Verb
from lanes_storage import doors
from lanes_storage.clock import system_clock
from lanes_storage.law import EventType
from lanes_storage.records import Admission, NewMessage, ProviderAttempt, RunResult, Subject
from tests.commands.conftest import Call
from tests.kit.stage import MINUTE, TERMS, Stage

LANE_FIELDS = [
    "key", "state", "epoch", "paused", "queued", "head_wait_s", "interruptions", "parked_until", "held_s", "deadline_s",
    "stall_limit_s", "heartbeat_age_s", "progress_age_s", "progress", "owner", "run_id", "message_id",
    "abort_requested", "last_error", "updated_at", "acts_next",
]  # fmt: skip
MESSAGE_FIELDS = [
    "id", "key", "state", "position", "text", "reply", "error", "interruptions", "parked_until", "retry_of",
    "retried_as", "answered_by", "accepted_at", "started_at", "ended_at", "reply_so_far", "provider", "model", "usage",
    "attempts", "retries",
]  # fmt: skip
EVENT_FIELDS = [
    "id", "at", "type", "key", "from", "to", "run_id", "message_id", "epoch", "actor", "cause", "detail",
]  # fmt: skip
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def busy(stage: Stage) -> Stage:
    """A lane of each kind: held with one waiting, parked, held, errored, idle."""
    owner = stage.owner()
    stage.hold("held", owner, "waits")
    stage.fail(stage.hold("errored", owner))
    stage.hold("started", owner)
    stage.complete(stage.hold("idle", owner))
    stage.park(stage.hold("parked", owner))
    return stage


def test_list_is_sorted_by_harm_and_has_every_field(busy: Stage, lanes: Call) -> None:
    listed = lanes("list", "--json").json
    assert [lane["key"] for lane in listed] == ["held", "parked", "started", "errored", "idle"]
    assert all(list(lane) == LANE_FIELDS for lane in listed)
    held, parked, _, errored, idle = listed
    assert held["owner"]["alive"] is True
    assert (held["state"], held["queued"], held["progress"]) == ("running", 1, "claimed")
    assert held["epoch"] == int(held["run_id"])
    assert 299 < held["deadline_s"] <= 300
    assert held["stall_limit_s"] == 120
    assert held["head_wait_s"] >= 0
    assert MOMENT.fullmatch(parked["parked_until"])
    assert errored["last_error"]["cause"] == "provider_failed"
    assert (idle["owner"], idle["held_s"], idle["deadline_s"]) == (None, None, None)


def test_list_for_people(busy: Stage, lanes: Call) -> None:
    listed = lanes("list")
    assert listed.code == 0
    head, held, *_ = listed.out.splitlines()
    assert head.split() == ["KEY", "STATE", "HELD", "QUEUED", "WAITS"]
    assert held.split()[:2] == ["held", "running"]
    assert "\x1b" not in listed.out, "no colour on a pipe"
    assert "\t" not in listed.out


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["--state", "idle"], ["idle"]),
        (["--state", "errored", "--state", "idle"], ["parked", "errored", "idle"]),
        (["--held"], ["held", "started"]),
        (["--match", "*ed"], ["parked", "started", "errored"]),
        (["--match", "h*"], ["held"]),
        (["--held-for", "1h"], []),
        (["--held-for", "0s"], ["held", "started"]),
        (["--limit", "2"], ["held", "parked"]),
        (["state:errored"], ["parked", "errored"]),
        (["state:errored", "!park", "--match", "*r*"], ["errored"]),
        (["d !state:errored queue:>0"], ["held"]),
        (["[!hi]*"], ["parked", "started", "errored"]),
        (["--match", "[!hi]*"], ["parked", "started", "errored"]),
        (["held:>1h"], []),
        (["text:WAITS"], []),
        (['text:"one that"'], ["held", "parked", "started"]),
    ],
)
def test_list_chooses(busy: Stage, lanes: Call, arguments: list[str], keys: list[str]) -> None:
    assert [lane["key"] for lane in lanes("list", "--json", *arguments).json] == keys


def test_a_choice_of_nothing_says_so(busy: Stage, lanes: Call) -> None:
    for chosen in (["--match", "no such*"], ["--held-for", "1h"], ["nowhere"]):
        nothing = lanes("list", *chosen)
        assert (nothing.code, nothing.out, nothing.err) == (0, "", "no lane fits\n")


def test_F1048_a_mistyped_source_is_named_with_the_nearest(stage: Stage, lanes: Call) -> None:
    owner, now = stage.owner(), system_clock()
    stage.send("k", "text")
    typed = (["list", "--source", "opnclaw"], ["list", "source:opnclaw"], ["pause", "--filter", "source:opnclaw"])
    assert "no source “opnclaw” is known; these are: here\n" in lanes("list", "--source", "opnclaw").err
    stage.store.write(
        lambda tx: doors.watch(tx, "openclaw", "openclaw", "ws://one", owner, now, is_gone=lambda *_: False)
    )
    for command in typed:
        nothing = lanes(*command)
        assert (nothing.code, nothing.out) == (0, ""), "it may be watched later: no error"
        assert "no lane fits: no source “opnclaw” is known; did you mean openclaw?" in nothing.err
    assert lanes("list", "--source", "openclaw").err == "no lane fits\n"
    for verb in (["show", "k"], ["why", "k"], ["abort", "k"]):
        unknown = lanes(*verb, "--source", "opnclaw")
        assert (unknown.code, "no source 'opnclaw'" in unknown.err) == (3, True), "the lane is there"
        assert "no lane 'k'" in lanes(*verb, "--source", "openclaw").err


def test_F1045_one_long_key_widens_no_other_row_of_a_pipe(stage: Stage, lanes: Call) -> None:
    longest = "k" * 512
    for key in (longest, "a", "b"):
        stage.send(key, "text")
    rows = lanes("list").out.splitlines()
    assert [row.split()[0] for row in rows] == ["KEY", longest, "a", "b"], "keys are whole"
    assert all(len(row) < 150 for row in rows if longest not in row)
    states = {row.index("idle") for row in rows[2:]}
    assert len(states) == 1, "the other rows are columns"


def test_F1041_an_empty_glob_is_refused_by_every_command(busy: Stage, lanes: Call) -> None:
    for command in (["list"], ["abort", "--yes"], ["abort", "--dry-run"], ["pause"], ["resume"], ["ack"]):
        refused = lanes(*command, "--match", "")
        assert (refused.code, refused.out) == (2, "")
        assert "match is empty" in refused.err, command


def test_a_filter_that_is_not_understood_chooses_nothing_and_names_the_nearest(busy: Stage, lanes: Call) -> None:
    for command in (["list"], ["abort", "--yes", "--filter"], ["pause", "--filter"], ["ack", "--filter"]):
        refused = lanes(*command, "sate:errored")
        assert (refused.code, refused.out) == (2, "")
        assert "did you mean “state:”?" in refused.err
    assert {lane["paused"] for lane in lanes("list", "--json").json} == {None}
    assert lanes("list", "--json", "--match", "no such*").json == []


def test_where_nothing_fits_a_word_that_looks_like_a_field_is_named(busy: Stage, lanes: Call) -> None:
    for command in (["list"], ["list", "--filter"], ["pause", "--filter"], ["ack", "--filter"]):
        nothing = lanes(*command, "foo:bar")
        assert (nothing.code, nothing.out) == (0, "")
        assert (
            "no lane fits: no key has “foo:bar”, and “foo:” is not a field; these are: state: key: owner:"
            in nothing.err
        )
    drop = lanes("drop", "--filter", "foo:bar")
    assert "nothing to drop: no key has “foo:bar”, and “foo:” is not a field; these are: state: key: wait:" in drop.err
    for command in (["abort"], ["abort", "--dry-run"], ["events"], ["messages", "held"], ["dead-letters"]):
        assert "no key has “foo:bar”, and “foo:” is not a field" in lanes(*command, "--filter", "foo:bar").err, command
    busy.send("foo:bar", "hello")
    assert lanes("list", "foo:bar state:errored").err == "no lane fits\n", "it is a part of a key"


def test_list_takes_its_filter_as_words_or_as_an_option(busy: Stage, lanes: Call) -> None:
    for filter_ in (["state:errored"], ["--filter", "state:errored"]):
        assert [lane["key"] for lane in lanes("list", *filter_, "--json").json] == ["parked", "errored"]
    both = lanes("list", "state:errored", "--filter", "held")
    assert both.code == 2
    assert "as words or with --filter, not both" in both.err


def test_the_cause_of_an_abort_is_told_once(stage: Stage, lanes: Call) -> None:
    owner = stage.owner()
    claimed = stage.hold("k", owner)
    assert lanes("abort", "k", "--no-wait", "--reason", "stuck").code == 0
    stage.confirm_abort(claimed)
    for command in ("messages", "list", "show"):
        told = lanes(*(["list"] if command == "list" else [command, "k"])).out
        assert "aborted by " in told
        assert "aborted: aborted by" not in told


def test_the_address_of_a_gateway_that_is_gone_is_said_to_be_gone(stage: Stage, lanes: Call) -> None:
    url = "http://127.0.0.1:8765"
    gone, alive = stage.dead_owner(url=url), stage.owner(url=url)
    said = lanes("status").out
    assert re.search(rf"gateway {gone}: process \d+ on this host is gone; its address was http://127", said)
    assert f"gateway {alive}: http://127.0.0.1:8765" in said


def test_F04_a_lane_without_limits_is_shown_as_such(stage: Stage, lanes: Call) -> None:
    owner = stage.owner()
    stage.hold("endless", owner, terms=TERMS._replace(run_timeout_ms=None, stall_timeout_ms=None))
    stage.hold("no stall", owner, terms=TERMS._replace(stall_timeout_ms=None))
    stage.hold("bounded", owner)
    by_key = {lane["key"]: lane for lane in lanes("list", "--json").json}
    assert (by_key["endless"]["deadline_s"], by_key["endless"]["stall_limit_s"]) == (None, None)
    said = {line.split("  ")[0]: line for line in lanes("list").out.splitlines()}
    assert "no deadline" in said["endless"]
    assert "stall_timeout is off" in said["no stall"]
    assert "off" not in said["bounded"]
    assert "no deadline" in lanes("why", "endless").out
    assert "off for 2 held lanes" in lanes("status").out
    assert lanes("status", "--json").json["unlimited"] == 2


def test_F08_a_held_lane_is_listed_with_its_last_progress_and_age(busy: Stage, lanes: Call) -> None:
    (line,) = [line for line in lanes("list", "--held").out.splitlines() if line.startswith("held")]
    assert re.search(r"claimed \d+ (ms|s) ago", line)


def test_F752_a_lane_whose_message_waits_for_a_provider_is_parked_in_every_list(stage: Stage, lanes: Call) -> None:
    stage.park(stage.hold("k", stage.owner()))
    assert lanes("list", "--json").json[0]["state"] == "errored", "the state is told as it is stored"
    assert re.search(r"^k +parked ", lanes("list").out, re.MULTILINE)
    assert re.search(r"^state +parked,", lanes("show", "k").out, re.MULTILINE)
    assert lanes("why", "k").out.startswith("Lane k is parked. ")


def test_what_to_do_about_a_failed_message_is_told_by_why_too(stage: Stage, lanes: Call) -> None:
    claimed = stage.hold("k", stage.owner())
    stage.fail(claimed)
    assert "Last event: notice, " in lanes("why", "k").out
    assert f"then retry it with `lanes retry {claimed.message.id}`" in lanes("why", "k").out


def test_a_park_that_is_over_is_not_told_as_one(stage: Stage, lanes: Call) -> None:
    stage.park(stage.hold("k", stage.owner()))
    assert "parked for" in lanes("list").out
    assert "parked for" in lanes("messages", "k").out
    stage.store.write(lambda tx: tx.run("UPDATE messages SET parked_until = parked_until - 3600000", {}))
    for command in (["list"], ["messages", "k"], ["why", "k"]):
        assert "parked" not in lanes(*command).out


def test_F1040_what_ended_while_parked_waits_for_nothing(stage: Stage, lanes: Call) -> None:
    parked = stage.hold("k", stage.owner())
    stage.park(parked)
    assert lanes("messages", "k", "--json").json[0]["parked_until"]
    assert lanes("drop", str(parked.message.id), "--json").json["parked_until"] is None
    (dropped,) = lanes("messages", "k", "--json").json
    assert (dropped["state"], dropped["parked_until"]) == ("dropped", None)
    assert lanes("show", "k", "--json").json["parked_until"] is None


def test_a_dead_owner_is_seen(stage: Stage, lanes: Call) -> None:
    stage.hold("ghost", stage.dead_owner())
    assert lanes("list", "--json").json[0]["owner"]["alive"] is False
    assert "dead" in lanes("list").out
    assert "is gone" in lanes("why", "ghost").out


def test_status_lists_the_desks_that_hold_lanes_too(stage: Stage, lanes: Call) -> None:
    stage.owner()
    desk = stage.owner(kind="desk")
    stage.hold("held", desk)
    status = lanes("status", "--json").json
    assert [(owner["id"], owner["held"], owner["alive"]) for owner in status["desks"]] == [(str(desk), 1, True)]
    assert len(status["gateways"]) == 1
    assert re.search(rf"DESK .*\n +{desk} ", lanes("status").out)


def test_show_has_everything_of_a_lane(busy: Stage, lanes: Call) -> None:
    lane = lanes("show", "held", "--json").json
    assert list(lane)[: len(LANE_FIELDS)] == LANE_FIELDS
    assert {"run", "messages", "events"} <= lane.keys()
    assert [list(message) for message in lane["messages"]] == [MESSAGE_FIELDS] * 2
    assert all(list(event) == EVENT_FIELDS for event in lane["events"])
    assert lane["run"]["run_timeout_s"] == 300
    text = lanes("show", "held")
    assert text.code == 0
    for part in ("state     running", "run_timeout 5m 0s", "waiting:", "last events:", "alive, last heartbeat"):
        assert part in text.out
    assert "provider_failed: all providers failed, at" in lanes("show", "errored").out


def test_show_tells_what_a_run_has_said_so_far(stage: Stage, lanes: Call) -> None:
    owner = stage.owner()
    claimed = stage.hold("held", owner, "behind it")
    stage.say(claimed, owner, "Once upon a time " * 20 + "there was\na \x1b[31mlane")
    (running,) = [m for m in lanes("show", "held", "--json").json["messages"] if m["state"] == "running"]
    assert running["reply_so_far"].endswith("lane")
    (line,) = [line for line in lanes("show", "held").out.splitlines() if "so far" in line]
    assert "\x1b" not in line


REQUEST = """{"messages": [{"role": "system", "content": "be short"},
  {"role": "user", "content": [{"type": "text", "text": "what is the weather?"}]},
  {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "get_place", "arguments": "{}"}}]},
  {"role": "tool", "tool_call_id": "1", "content": "Oulu"}]}"""
CALLS = {"message": {"tool_calls": [{"function": {"name": "get_weather"}}, {"function": {"name": "get_time"}}]}}


def test_of_a_chat_request_it_shows_what_was_asked_last_and_which_tools_are_called(stage: Stage, lanes: Call) -> None:
    new = NewMessage("chat", None, REQUEST)
    stage.store.write(doors.accept(new, Admission(), system_clock()))
    claimed = stage.claim("chat", stage.owner())
    answer = RunResult("", json.dumps(CALLS))
    stage.store.write(doors.complete(claimed.ticket, answer, system_clock(), by="tester"))
    (told,) = lanes("messages", "chat", "--json").json
    assert (told["text"], told["asked"]) == (None, "what is the weather? (results of get_place)")
    assert told["tools"] == ["get_weather", "get_time"]
    for command in ("messages", "show"):
        shown = lanes(command, "chat").out
        assert "what is the weather?" in shown
        assert "calls get_weather, get_time" in shown
        assert "a chat request" not in shown


def test_who_answered_after_others_had_failed_is_shown(stage: Stage, lanes: Call) -> None:
    claimed = stage.hold("a", stage.owner())
    failed = (ProviderAttempt("main", "first_byte_timeout", "no content within 45s", system_clock().wall),)
    detail = {"provider": "backup", "model": "gpt-x", "usage": {"total_tokens": 120}}
    answer = RunResult("hello", json.dumps(detail), failed, detail | {"attempts": ["main: first_byte_timeout"]})
    stage.store.write(doors.complete(claimed.ticket, answer, system_clock(), by="tester"))
    after = "backup, after main (first_byte_timeout)"
    assert f"[{after}] hello" in lanes("messages", "a").out
    assert f"by {after}, model gpt-x, 120 tokens" in lanes("show", "a").out
    assert "Its last reply came from backup, after main: first_byte_timeout." in lanes("why", "a").out


def test_why_is_one_paragraph(busy: Stage, lanes: Call) -> None:
    said = lanes("why", "held")
    assert said.code == 0
    assert len(said.out.splitlines()) == 1
    assert said.out.startswith("Lane held is running.")
    assert lanes("why", "held", "--json").json["key"] == "held"


@pytest.mark.parametrize("command", ["show", "why", "messages", "events"])
def test_no_such_lane_is_3(busy: Stage, lanes: Call, command: str) -> None:
    missing = lanes(command, "nobody")
    assert (missing.code, missing.out) == (3, "")
    assert missing.err == "lanes: no lane 'nobody': `lanes list` shows the lanes\n"


def test_messages(busy: Stage, lanes: Call) -> None:
    waiting, running = lanes("messages", "held", "--json").json
    assert list(running) == MESSAGE_FIELDS
    assert (running["state"], running["position"], running["text"]) == ("running", None, "the one that runs")
    assert (waiting["state"], waiting["position"], waiting["text"]) == ("queued", 1, "waits")
    (failed,) = lanes("messages", "errored", "--json").json
    assert failed["error"]["cause"] == "provider_failed"
    assert [attempt["provider"] for attempt in failed["error"]["attempts"]] == ["codex", "backup"]
    assert MOMENT.fullmatch(failed["error"]["attempts"][0]["at"])
    (done,) = lanes("messages", "idle", "--json").json
    assert done["reply"] == "the reply"
    assert lanes("messages", "held", "--state", "done", "--json").json == []
    assert len(lanes("messages", "held", "--limit", "1", "--json").json) == 1
    assert "waits" in lanes("messages", "held", "--state", "queued").out
    assert "the one" not in lanes("messages", "held", "--state", "queued").out


def test_events(busy: Stage, lanes: Call) -> None:
    events = lanes("events", "--json").json
    assert all(list(event) == EVENT_FIELDS for event in events)
    ids = [int(event["id"]) for event in events]
    assert ids == sorted(ids)
    assert all(MOMENT.fullmatch(event["at"]) for event in events)
    of_lane = lanes("events", "parked", "--json").json
    assert [event["type"] for event in of_lane] == ["accepted", "claim", "park"]
    park = of_lane[-1]
    assert (park["from"], park["to"], park["cause"]) == ("running", "errored", "provider_cooling")
    assert MOMENT.fullmatch(park["detail"]["parked_until"]), "times are written the same way everywhere"
    assert {event["type"] for event in lanes("events", "--type", "claim", "--json").json} == {EventType.CLAIM}
    assert lanes("events", "--since", "1h", "--json").json == events
    assert [event["id"] for event in lanes("events", "--limit", "2", "--json").json] == [e["id"] for e in events[-2:]]
    assert "running → errored" in lanes("events", "parked").out
    assert "parked" in lanes("events").out


@pytest.mark.parametrize(("listed", "verb"), [(("events",), events), (("messages", "held"), messages)])
def test_F801_a_list_without_a_limit_is_read_page_by_page(
    busy: Stage, lanes: Call, listed: tuple[str, ...], verb: Verb[..., Any]
) -> None:
    """All of it may be larger than the memory."""
    numbers = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {2 * PAGE})"
    of_held = "SELECT id, 'dropped', 'text', 'tester', 0, 0, 1, 1 FROM lanes, n WHERE key = 'held'"
    for into in (
        "events (at, type) SELECT 1, 'note' FROM n",
        f"messages (lane_id, state, text, actor, anonymous, interruptions, accepted_at, ended_at) {of_held}",
    ):
        busy.store.write(lambda tx, into=into: tx.run(f"{numbers} INSERT INTO {into}", {}))  # type: ignore[misc]
    shown, told = lanes(*listed), lanes(*listed, "--json").json
    assert len(told) > 2 * PAGE
    assert [line.split()[0] for line in shown.out.splitlines()] == ["ID", *(each["id"] for each in told)]
    given = {"key": listed[1] if listed[1:] else None, "limit": None}
    sizes = [len(page) for page in pages(LocalDriver(busy.store, Context("tester")), verb, given)]
    assert (max(sizes), sum(sizes)) == (PAGE, len(told))


def test_F801_the_pages_of_a_period_begin_at_the_same_time(stage: Stage) -> None:
    clock = Hands()
    numbers = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= {PAGE})"
    sql = f"{numbers} INSERT INTO events (at, type) SELECT :now, 'note' FROM n"
    stage.store.write(lambda tx: tx.run(sql, {"now": clock().wall}))
    given = {"key": None, "limit": None, "since": MINUTE}
    read = pages(LocalDriver(stage.store, Context("tester", clock)), events, given)
    assert len(next(read)) == PAGE
    clock.move(2 * MINUTE)
    assert len(next(read)) == 1


def test_F801_a_filter_judges_ages_at_the_same_time_on_every_page(stage: Stage) -> None:
    """A reader such as ``less`` may come back for the next page after an hour."""
    times: list[int] = []

    class Noting(LocalDriver):
        def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
            times.append(params["filter_"].at)
            return super().call(verb, **params)

    numbers = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= {PAGE})"
    sql = f"{numbers} INSERT INTO events (at, type) SELECT :now, 'note' FROM n"
    stage.store.write(lambda tx: tx.run(sql, {"now": system_clock().wall}))
    given = {"key": None, "limit": None, "filter_": parse("since:1h", 0, Subject.EVENT).chosen}
    assert [len(page) for page in pages(Noting(stage.store, Context("tester")), events, given)] == [PAGE, 1]
    assert times[0] == times[1] > 0


def test_a_notice_tells_the_next_step(busy: Stage, lanes: Call) -> None:
    (line,) = [line for line in lanes("events", "--type", "notice").out.splitlines() if "errored" in line]
    assert "check the providers named in its attempts, then retry it with `lanes retry" in line


def test_a_type_of_event_that_is_not_known_here_can_be_asked_for(busy: Stage, lanes: Call) -> None:
    """A newer version may have written it."""
    now = system_clock()
    busy.store.write(lambda tx: doors.record(tx, EventType.NOTICE, now, detail={"x": 1}))
    busy.store.write(lambda tx: tx.run("UPDATE events SET type = 'newer' WHERE detail LIKE '%\"x\"%'", {}))
    assert [event["type"] for event in lanes("events", "--type", "newer", "--json").json] == ["newer"]


@pytest.mark.parametrize("more", [[], ["--follow"]])
def test_F683_a_mistyped_type_of_event_is_named(busy: Stage, lanes: Call, more: list[str]) -> None:
    mistyped = lanes("events", "--type", "clam", *more)
    assert (mistyped.code, mistyped.out) == (2, "")
    assert "no event has the type clam; did you mean claim?" in mistyped.err
    other = lanes("events", "--type", "nope", *more)
    assert (other.code, other.out) == (2, "")
    assert "no event has the type nope; this version writes accepted, claim, complete" in other.err
    nothing = lanes("events", "--type", "reclaim")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "no such event\n")


def test_a_moment_that_is_over_is_not_announced(busy: Stage, lanes: Call) -> None:
    assert "parked for" in lanes("list").out
    over = "UPDATE messages SET parked_until = 1000 WHERE parked_until IS NOT NULL"
    busy.store.write(lambda tx: tx.run(over, {}))
    assert "parked for" not in lanes("list").out + lanes("messages", "parked").out


def test_a_gateway_that_was_killed_drains_no_more(stage: Stage, lanes: Call) -> None:
    dead, living, now = stage.dead_owner(), stage.owner(), system_clock()
    for owner in (dead, living):
        step = partial(doors.drain, owner=owner, now=now, by="me", until=now.wall + MINUTE)
        stage.store.write(step)
    drains = [line for line in lanes("status").out.splitlines() if "draining by me" in line]
    assert [line.partition(":")[0] for line in drains] == [f"gateway {living}"]


LONG = "agent:main:feishu:group:oc_d497:" + "x" * 80
CLOCK = "2026-11-28 05:19:38Z"


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (list_command.COLUMNS, [LONG, "running", "3m 10s", "12", "59m 59s", LONG]),
        (tables.DEAD_LETTERS, ["1234567", CLOCK, LONG, "interrupted_by_newer", LONG]),
        (tables.EVENTS, ["1234567", CLOCK, LONG, "abort_requested", LONG]),
        (tables.MESSAGES, ["1234567", "running", "12", CLOCK, LONG, LONG]),
        (
            (OutputColumn("GATEWAY", right=True), *status.OWNER),
            ["12", LONG, "4194304", "stopped", "1000", CLOCK, "59m 59s"],
        ),
        (config.COLUMNS, [LONG, LONG, "environment", LONG]),
    ],
)
def test_a_table_fits_a_terminal_of_80_columns(columns: tuple[OutputColumn, ...], row: list[str]) -> None:
    assert {width_of("  ".join(line.cells).rstrip()) for line in lay_out(columns, [row, row], 80)} <= set(range(81))


def test_status(busy: Stage, lanes: Call) -> None:
    told = lanes("status", "--json")
    assert told.code == 0
    form = told.json
    (gateway,) = form["gateways"]
    assert {"id", "host", "pid", "alive", "held", "draining", "started_at", "heartbeat_age_s"} <= gateway.keys()
    assert (gateway["alive"], gateway["held"], gateway["draining"]) == (True, 2, None)
    assert "ghosts" not in lanes("status").out
    assert form["lanes"] == {"idle": 1, "running": 2, "errored": 2, "aborted": 0}
    assert form["messages"] == {"queued": 2, "dead_letters": 1}
    assert form["oldest_head_s"] >= 0
    assert (form["cooldowns"], form["ghosts"]) == ([], 0)
    assert form["database"] == str(busy.path)
    text = lanes("status").out
    assert "2 running, 2 errored, 0 aborted, 1 idle" in text
    assert "1 dead letter" in text


def test_status_without_a_living_gateway_is_69(stage: Stage, lanes: Call) -> None:
    stage.dead_owner()
    status = lanes("status", "--json")
    assert status.code == 69
    assert status.json["gateways"][0]["alive"] is False
    assert "no gateway lives" in status.err
    assert lanes("status").code == 69


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--state", "nonsense"],
        ["list", "--limit", "0"],
        ["list", "--held-for", "soon"],
        ["events", "--type", "Non-sense"],
        ["events", "--since", "5"],
        ["show"],
        ["show", ""],
        ["show", "tab\there"],
        ["show", "x" * 513],
        ["messages", "k", "--state", "idle"],
        ["status", "extra"],
    ],
)
def test_what_cannot_be_meant_is_2(stage: Stage, lanes: Call, arguments: list[str]) -> None:
    refused = lanes(*arguments)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("Usage: lanes")
    assert len(refused.err.splitlines()) == 2


def test_a_paused_lane_says_so_until_its_pause_has_run_out(stage: Stage, lanes: Call) -> None:
    stage.send("k", "text")
    assert lanes("pause", "k", "--for", "1h", "--reason", "in repair").code == 0
    (lane,) = lanes("list", "--json").json
    assert lane["paused"]["reason"] == "in repair"
    assert MOMENT.fullmatch(lane["paused"]["until"])
    assert "paused for" in lanes("list").out
    now = system_clock()
    stage.store.write(lambda tx: doors.pause(tx, "k", now, actor="me", reason="in repair", until=now.wall))
    assert lanes("list", "--json").json[0]["paused"] is None


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1" + 20 * "0", "1" + 5_000 * "0"])
@pytest.mark.parametrize("command", [["list"], ["events"], ["messages", "k"], ["dead-letters"]])
def test_a_limit_that_is_none_is_refused_in_one_sentence(lanes: Call, command: list[str], limit: str) -> None:
    refused = lanes(*command, "--limit", limit)
    assert (refused.code, refused.out) == (2, "")
    assert "limit must be a whole number from 1 to 1000000000" in refused.err
    assert len(refused.err) < 300


@pytest.mark.parametrize("command", [["list"], ["events"], ["messages", "k"], ["dead-letters"]])
def test_the_largest_limit_is_taken(stage: Stage, lanes: Call, command: list[str]) -> None:
    stage.send("k", "text")
    assert lanes(*command, "--limit", "1000000000").code == 0


def test_an_event_says_its_cause_once(stage: Stage, lanes: Call) -> None:
    stage.send("k", "text")
    lanes("abort", "k", "--scope", "queue", "--reason", "stuck")
    _, ended, notice = (line.split("  ", 4)[-1] for line in lanes("events", "k").out.splitlines()[1:])
    assert [line.count("aborted") for line in (ended, notice)] == [1, 1]
    assert "stuck" in ended
    assert "retry it with `lanes retry 1` if it is still wanted, aborted by" in notice
    assert notice.endswith("stuck")


def test_a_key_that_resembles_a_field_is_a_key_where_there_is_such_a_lane(stage: Stage, lanes: Call) -> None:
    mistyped = lanes("list", "test:1")
    assert (mistyped.code, mistyped.out) == (2, "")
    assert "no field “test:”: did you mean “text:”? A key stands in quotes" in mistyped.err
    stage.send("test:1", "hello", "again")
    stage.send("other", "hello")
    assert [lane["key"] for lane in lanes("list", "test:1", "--json").json] == ["test:1"]
    assert [lane["key"] for lane in lanes("list", "!test:*", "--json").json] == ["other"]
    assert lanes("drop", "--filter", "test:1 text:again").out == "message 2 of test:1: dropped\n"
    assert lanes("pause", "--filter", "test:1").out.startswith("test:1: paused")
    for command in (
        ["list", "!sate:errored"],
        ["abort", "--filter", "-sate:errored", "--yes"],
        ["events", "--filter", "sate:1"],
    ):
        assert "did you mean" in lanes(*command).err, "a negated one would choose everything"
