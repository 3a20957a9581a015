"""A run asks its sender, and takes what it is given: each text once, fenced by its ticket, and none is lost."""

import json
from typing import Any

import pytest

from lanes.testing import MINUTE, SECOND
from lanes_storage import doors, reads
from lanes_storage.doors import Accepted, Refusal
from lanes_storage.law import Cause, MessageState, Mode, Overflow, PermittedBy, Scope
from lanes_storage.records import Admission, HandedText, NewMessage, NewQuestion, RunQuestion, Ticket
from tests.kit.watch import Line, Watch
from tests.kit.world import World

WHICH = NewQuestion("1.1", "Which branch?", 10 * MINUTE)
MAY_I = NewQuestion("1.1", "Delete it?", 10 * MINUTE, ("yes", "no"), permission=True)
ELSEWHERE = "the run of another lane"


def ask(world: World, ticket: Ticket, new: NewQuestion = WHICH) -> RunQuestion | None:
    return world.step(lambda tx: doors.ask(tx, ticket, new, world.time(), by="run"))


def take(world: World, ticket: Ticket, question: str = "1.1") -> HandedText | None:
    return world.step(lambda tx: doors.take_answer(tx, ticket, question, world.time(), by="run"))


def close(world: World, ticket: Ticket, question: str = "1.1") -> HandedText | None:
    return world.step(lambda tx: doors.close_question(tx, ticket, question, world.time(), by="run", reason="expired"))


def steer(world: World, ticket: Ticket) -> HandedText | None:
    return world.step(lambda tx: doors.take_steer(tx, ticket, world.time(), by="run"))


def answer(
    world: World, text: str, *, question: str = "", actor: str = "alice"
) -> Accepted | Refusal | doors.WaitCircle:
    new, how = NewMessage("a", text, actor=actor), Admission(known=True, answers=question)
    return world.step(doors.accept(new, how, world.time()))


def false_ticket(ticket: Ticket, how: str) -> Ticket:
    """The ticket that is shown: of no run, of another epoch, of another run, or the one that there is."""
    changed = {"lost": Ticket(99, 99), "another epoch": ticket._replace(epoch=99)}
    return (changed | {"another run": ticket._replace(run_id=ticket.run_id + 1)}).get(how, ticket)


@pytest.fixture
def asking(world: World) -> Ticket:
    """A run that asks, beside another that asks too."""
    other = world.start("beside").ticket
    ticket = world.start("a").ticket
    assert ask(world, other, WHICH._replace(id=ELSEWHERE)) is not None
    assert ask(world, ticket) is not None
    world.time.move(SECOND)
    return ticket


def open_question(world: World, key: str = "a") -> RunQuestion | None:
    run = world.lane(key).run
    return None if run is None else run.question


def test_a_question_is_stored_with_who_may_answer_and_the_clock_of_its_run_stops(world: World) -> None:
    world.start("beside")
    world.send("a", sender="ou_7")
    run = world.claim("a")
    world.time.move(MINUTE)
    seen = Watch(world)
    assert ask(world, run.ticket) is not None
    assert seen.changed() == {"runs": 1}
    assert seen.lines() == [
        Line("asked", run=run.ticket.run_id, message=run.message.id, epoch=run.ticket.epoch, actor="run")
    ]
    assert seen.detail() == {"question": "1.1", "text": "Which branch?", "limit_ms": 10 * MINUTE}
    row, now = world.run(run.ticket), world.time()
    assert row.question == RunQuestion(*WHICH, "sender", "ou_7", now.wall, now.boot, now.slept)
    assert (row.progress, row.progress_boot, row.busy_until_boot) == (
        "waiting for input",
        now.boot,
        now.boot + 10 * MINUTE,
    )


@pytest.mark.parametrize("how", ["lost", "another epoch", "another run", "abort asked", "asks already", "over"])
def test_a_run_that_may_not_ask_asks_nothing(world: World, how: str) -> None:
    ticket = world.start("a").ticket
    world.start("beside")
    if how == "abort asked":
        world.request_abort("a")
    elif how == "asks already":
        ask(world, ticket)
    elif how == "over":
        world.complete(ticket)
    meant = false_ticket(ticket, how)
    seen = Watch(world)
    assert ask(world, meant, WHICH._replace(id="1.2")) is None
    assert seen.nothing()


@pytest.mark.parametrize("mode", Mode)
def test_F251_the_next_text_of_the_one_who_was_asked_is_the_answer_whatever_the_mode(
    world: World, asking: Ticket, mode: Mode
) -> None:
    waits = world.send("a", "waits", actor="bob")
    world.time.move(SECOND)
    seen = Watch(world)
    given = world.send("a", "main", mode=mode, cap=1)
    assert seen.changed() == {"lanes": 1, "messages": 1, "runs": 1}
    question = open_question(world)
    assert question is not None
    assert question.answer == given
    assert world.message(given).state is MessageState.QUEUED, "until the run has taken it"
    world.time.move(MINUTE)
    seen = Watch(world)
    assert take(world, asking) == HandedText(given, "main", "sender")
    assert seen.changed() == {"lanes": 1, "messages": 1, "runs": 1}
    run = asking.run_id
    assert seen.lines() == [Line("answered", "queued", "done", run, given, run, "run")]
    done = world.message(given)
    assert (done.state, done.answered_by) == (MessageState.DONE, world.run(asking).message_id)
    row = world.run(asking)
    assert (row.question, row.input_ms, row.busy_until_boot) == (None, MINUTE + 2 * SECOND, None)
    assert (row.progress, row.progress_boot) == ("answered", world.time().boot)
    assert world.lane("a").head_id == waits
    assert take(world, asking) is None, "once"


def test_F251_others_and_other_inputs_are_met_by_the_mode(world: World, asking: Ticket) -> None:
    for more in (
        {"actor": "bob"},
        {"sender": "ou_9"},
        {"text": None, "request": "{}"},
        {"text": "   "},
    ):
        assert isinstance(world.accept("a", **({"text": "main"} | more)), Accepted)
    assert world.accept("a", if_idle=True) is Refusal.LANE_BUSY
    assert world.accept("a", mode=Mode.REJECT, actor="bob") is Refusal.LANE_BUSY
    question = open_question(world)
    assert question is not None
    assert question.answer is None
    assert take(world, asking) is None
    assert world.accept("a", mode=Mode.INTERRUPT, actor="bob")
    assert world.run(asking).abort_at is not None


def test_what_waited_before_the_question_is_no_answer(world: World) -> None:
    ticket = world.start("a").ticket
    world.send("a", "before")
    ask(world, ticket)
    assert take(world, ticket) is None
    assert world.message(world.send("a", "main")).position == 2
    taken = take(world, ticket)
    assert taken is not None
    assert taken.text == "main"


def test_only_one_text_answers_a_question(world: World, asking: Ticket) -> None:
    first, second = world.send("a", "main"), world.send("a", "no, dev")
    assert answer(world, "dev") is Refusal.NOT_ASKED
    taken = take(world, asking)
    assert taken is not None
    assert taken.message_id == first
    assert world.lane("a").head_id == second


@pytest.mark.parametrize("mode", Mode)
def test_F252_a_permission_is_not_given_by_a_message(world: World, mode: Mode) -> None:
    ticket = world.start("a").ticket
    ask(world, ticket, MAY_I)
    came = world.accept("a", "yes", mode=mode)
    question = open_question(world)
    assert question is None or question.answer is None
    assert (came is Refusal.LANE_BUSY) is (mode is Mode.REJECT)


def test_F252_a_permission_is_given_by_its_sender_where_policy_says_so(world: World) -> None:
    ticket = world.start("a").ticket
    ask(world, ticket, MAY_I)
    admission = Admission(permissions=PermittedBy.SENDER)
    for text, actor in (("yes", "bob"), ("what?", "sender"), ("YES ", "sender")):
        world.step(doors.accept(NewMessage("a", text, actor=actor), admission, world.time()))
    taken = take(world, ticket)
    assert taken is not None
    assert (taken.text, taken.actor) == ("yes", "sender")


@pytest.mark.parametrize(
    ("text", "meant"), [("no", "no"), (" YES", "yes"), ("2", "no"), ("perhaps", None), ("3", None)]
)
def test_an_answer_is_one_of_the_words_that_a_question_allows(world: World, text: str, meant: str | None) -> None:
    ticket = world.start("a").ticket
    ask(world, ticket, MAY_I)
    came = answer(world, text, question="1.1")
    assert came is Refusal.NO_OPTION if meant is None else isinstance(came, Accepted)
    taken = take(world, ticket)
    assert (None if taken is None else taken.text) == meant


@pytest.mark.parametrize("how", ["no lane", "not asked", "another", "aborted", "ended", "answered"])
def test_F253_an_answer_without_its_question_is_refused_and_stores_nothing(world: World, how: str) -> None:
    if how != "no lane":
        ticket = world.start("a").ticket
    if how not in ("no lane", "not asked"):
        ask(world, ticket)
    if how == "aborted":
        world.request_abort("a")
    elif how == "ended":
        world.complete(ticket)
    elif how == "answered":
        answer(world, "main")
    seen = Watch(world)
    came = answer(world, "yes", question="2.1" if how == "another" else "")
    assert came is (Refusal.NO_LANE if how == "no lane" else Refusal.NOT_ASKED)
    assert seen.nothing()


def test_F253_an_answer_that_was_not_taken_waits_with_its_question(world: World, asking: Ticket) -> None:
    given, behind = world.send("a", "yes"), world.send("a", "more")
    world.send("beside", "left alone")
    world.reclaim(asking)
    again = world.claim("a")
    assert again.message.id == world.run(asking).message_id, "it runs again, and may ask again"
    assert take(world, asking) is None
    assert take(world, again.ticket) is None, "an old answer is none to a new question"
    world.complete(again.ticket)
    assert world.message(given).text == "(to the question “Which branch?”) yes"
    assert world.message(behind).text == "more"
    assert world.claim("a").message.id == given


def test_F252_an_answer_to_a_permission_permits_nothing_once_its_run_is_gone(world: World) -> None:
    ticket = world.start("a").ticket
    ask(world, ticket, MAY_I)
    accepted = answer(world, "yes")
    assert isinstance(accepted, Accepted)
    world.reclaim(ticket)
    ended = world.message(accepted.message_id)
    assert ended.state is MessageState.DROPPED
    assert ended.error is not None
    assert ended.error.cause is Cause.NO_ANSWER
    assert world.lane("a").queued == 1


@pytest.mark.parametrize("how", ["lost", "another epoch", "another run", "abort asked", "another question", "over"])
def test_F254_who_may_not_take_an_answer_takes_none(world: World, asking: Ticket, how: str) -> None:
    world.send("a", "main")
    if how == "abort asked":
        world.request_abort("a")
    elif how == "over":
        world.complete(asking)
    meant = false_ticket(asking, how)
    seen = Watch(world)
    question = "2.1" if how == "another question" else "1.1"
    assert take(world, meant, question) is None
    assert close(world, meant, question) is None
    assert steer(world, meant) is None
    assert seen.nothing()


def test_a_question_that_nobody_answers_is_closed_and_no_text_answers_it_later(world: World, asking: Ticket) -> None:
    world.time.move(20 * MINUTE)
    seen = Watch(world)
    assert close(world, asking) is None
    assert seen.changed() == {"runs": 1}
    run, message = asking.run_id, world.run(asking).message_id
    assert seen.lines() == [Line("unanswered", run=run, message=message, epoch=run, actor="run")]
    assert seen.detail() == {"question": "1.1", "why": "expired"}
    row = world.run(asking)
    assert (row.question, row.progress, row.input_ms) == (None, "not answered", 10 * MINUTE)
    assert answer(world, "main") is Refusal.NOT_ASKED
    assert world.message(world.send("a", "main")).position == 1
    assert open_question(world, "beside") is not None


def test_F254_an_answer_that_came_first_is_taken_by_who_closes_the_question(world: World, asking: Ticket) -> None:
    given = world.send("a", "main")
    assert close(world, asking) == HandedText(given, "main", "sender")
    assert close(world, asking) is None


def test_the_time_of_all_questions_counts(world: World, asking: Ticket) -> None:
    close(world, asking)
    ask(world, asking, WHICH._replace(id="1.2"))
    world.time.move(MINUTE)
    world.time.sleep(MINUTE)
    close(world, asking, "1.2")
    assert world.run(asking).input_ms == SECOND + MINUTE, "a machine that sleeps waits for nobody"


def test_F254_an_answer_that_ends_before_it_is_taken_leaves_the_question_open(world: World, asking: Ticket) -> None:
    def dropped(given: int) -> None:
        world.drop(given)

    def cut(_: int) -> None:
        world.request_abort("a", scope=Scope.QUEUE)

    for end in (dropped, cut):
        given = world.send("a", "main")
        beside = world.send("beside", "theirs")
        end(given)
        assert take(world, asking) is None
        question = open_question(world, "beside")
        assert question is not None
        assert question.answer == beside
        world.drop(beside)
    world.send("a", "dev", cap=1)
    taken = take(world, asking)
    assert taken is not None
    assert taken.text == "dev"


def test_a_waiting_text_that_is_dropped_does_not_end_the_answer(world: World, asking: Ticket) -> None:
    given = world.send("a", "main")
    steered = world.send("a", "quickly", mode=Mode.STEER)
    world.drop(steered)
    assert take(world, asking) == HandedText(given, "main", "sender")


def test_an_abort_closes_the_question(world: World, asking: Ticket) -> None:
    world.request_abort("a")
    assert world.run(asking).question is not None
    world.abort(asking)
    assert world.run(asking).question is None
    assert open_question(world, "beside") is not None


# ----------------------------------------------------------------------------------------------- steer


def test_F255_a_steer_is_taken_once_by_the_run_and_by_no_other(world: World) -> None:
    beside, ticket = world.start("beside").ticket, world.start("a").ticket
    waits = world.send("a", "waits")
    world.send("beside", "theirs", mode=Mode.STEER)
    first, second = (world.send("a", text, mode=Mode.STEER) for text in ("quickly", "in German"))
    world.time.move(SECOND)
    seen = Watch(world)
    assert steer(world, ticket) == HandedText(first, "quickly", "sender")
    assert seen.changed() == {"lanes": 1, "messages": 1}
    assert seen.lines() == [Line("steered", "queued", "done", ticket.run_id, first, ticket.run_id, "run")]
    assert world.message(first).answered_by == world.run(ticket).message_id
    assert steer(world, ticket) == HandedText(second, "in German", "sender")
    assert steer(world, ticket) is None
    assert world.lane("a").head_id == waits
    theirs = steer(world, beside)
    assert theirs is not None
    assert theirs.text == "theirs"


def test_F255_a_steer_that_was_not_taken_stays_in_its_place(world: World) -> None:
    ticket, beside = world.start("a").ticket, world.start("beside").ticket
    first = world.send("a", "quickly", mode=Mode.STEER)
    second = world.send("a", "next")
    theirs = world.send("beside", "theirs", mode=Mode.STEER)
    world.complete(ticket)
    assert steer(world, ticket) is None
    assert [world.claim("a").message.id, world.lane("a").head_id] == [first, second]
    taken = steer(world, beside)
    assert taken is not None
    assert taken.message_id == theirs


def test_a_steer_that_meets_a_free_lane_is_a_message(world: World) -> None:
    world.complete(world.start("a").ticket)
    message = world.send("a", "quickly", mode=Mode.STEER)
    assert world.claim("a").message.id == message


def test_a_steer_is_no_answer_and_an_answer_no_steer(world: World, asking: Ticket) -> None:
    steered = world.send("a", "quickly", mode=Mode.STEER, actor="bob")
    given = world.send("a", "main", mode=Mode.STEER)
    later = world.send("a", "in German", mode=Mode.STEER)
    assert steer(world, asking) == HandedText(steered, "quickly", "bob")
    assert steer(world, asking) == HandedText(later, "in German", "sender")
    assert steer(world, asking) is None
    assert take(world, asking) == HandedText(given, "main", "sender")


def test_an_answer_is_taken_before_a_steer_that_came_earlier(world: World, asking: Ticket) -> None:
    world.send("a", "quickly", mode=Mode.STEER, actor="bob")
    given = world.send("a", "main")
    assert take(world, asking) == HandedText(given, "main", "sender")


def test_a_steer_meets_a_full_queue_as_others_do(world: World) -> None:
    ticket = world.start("a").ticket
    old = world.send("a", "old")
    assert world.accept("a", mode=Mode.STEER, cap=1) is Refusal.QUEUE_FULL
    world.send("a", "quickly", mode=Mode.STEER, cap=1, overflow=Overflow.DROP_OLDEST)
    assert world.message(old).state is MessageState.DROPPED
    taken = steer(world, ticket)
    assert taken is not None
    assert taken.text == "quickly"


def test_a_request_and_a_hold_steer_nobody(world: World) -> None:
    ticket = world.start("a").ticket
    world.send("a", None, request="{}", mode=Mode.STEER)
    assert steer(world, ticket) is None


def test_which_runs_are_given_something_is_read_by_their_owner(world: World, asking: Ticket) -> None:
    mine, other = world.send("a", "main"), world.owner(pid=4712)
    foreign = world.start("foreign", owner=other).ticket
    theirs = world.send("foreign", "quickly", mode=Mode.STEER)
    newest = world.send("a", "quickly", mode=Mode.STEER)
    world.send("a", "waits")
    assert mine < newest
    assert world.store.read(reads.orders_of_owner(world.me)).input == {asking.run_id: newest}
    assert world.store.read(reads.orders_of_owner(other)).input == {foreign.run_id: theirs}


def test_what_an_old_program_stored_as_a_question_is_no_question(world: World, asking: Ticket) -> None:
    stored: list[Any] = [{}, {"id": "1.1"}, [], 7]
    for each in stored:
        values = {"run": asking.run_id, "question": json.dumps(each)}
        world.step(lambda tx, values=values: tx.run("UPDATE runs SET question = :question WHERE id = :run", values))  # type: ignore[misc]
        assert open_question(world) is None
        assert take(world, asking) is None
        assert isinstance(world.accept("a", "main"), Accepted)
