"""Verbs on messages that were sent: list, retry, drop, prune."""

from collections.abc import Callable, Sequence
from typing import Annotated

from lanes.base.errors import Changed, LaneBusy, LanesError, NotAllowed, NotFound, QueueFull, Unfit
from lanes.base.procedure import Effect, Procedure, QueryBlock, made_of, read, write
from lanes.context import Context
from lanes.records import Counted, LetterPage, LetterTally, Message, Pruned
from lanes.records.json_schema import MOST_NUMBER
from lanes.verbs import outcomes
from lanes.verbs.kinds import (
    ANY,
    NOT_TYPED,
    ONLY_PYTHON,
    Duration,
    Epoch,
    Flag,
    Id,
    Key,
    Limit,
    Messages,
    Moment,
    count,
    timed,
    words,
)
from lanes.verbs.paging import BACKWARD
from lanes.verbs.sending import read_back
from lanes.verbs.verb import DashboardAction, verb
from lanes.watch.naming import missing
from lanes_storage import doors, reads
from lanes_storage.clock import Now
from lanes_storage.doors import Accepted, Refusal
from lanes_storage.interface import Reads, Step, Transaction, within
from lanes_storage.law import RETRIABLE, Cause, MessageState, Prunable
from lanes_storage.reads.of_messages import LAST
from lanes_storage.records import Comparison, Condition, How, LaneFilter, MessageRow, Subject

#: How many messages of a lane are read at a time to find the one to retry.
AT_ONCE = 50
#: Causes of configured limits: such a message is retried only if the filter names its cause.
DELIBERATE = ("expired", "over_budget")
EVERY = LaneFilter(of=Subject.MESSAGE)
#: The most dead letters deleted in one transaction: other writers get the lock in between.
PAGE = 200

#: The most dead letters in one answer, and the most characters of all their texts.
MOST_ON_A_PAGE = 1_000
PAGE_CHARACTERS = 16_000_000

OlderThan = Annotated[Duration, NOT_TYPED, "those that failed at least this long ago"]
UpTo = Annotated[Id | None, NOT_TYPED, "those up to this message"]
Until = Annotated[Moment | None, NOT_TYPED, "those that failed at that moment or earlier (Unix time, in milliseconds)"]
Before = Annotated[Id | None, NOT_TYPED, "messages that were accepted before this one"]


@verb(
    "GET /api/lanes/{key}/messages",
    result=list[Message],
    errors=(NotFound,),
    paging=BACKWARD,
    examples=(
        "lanes messages agent:main:telegram:42",
        "lanes messages agent:main:telegram:42 --state failed --json",
    ),
)
def messages(
    ctx: Context,
    key: Key,
    *,
    state: Annotated[tuple[MessageState, ...], words(MessageState), "Messages in this state; may be repeated."] = (),
    filter_: Messages = EVERY,
    limit: Limit | None = None,
    before: Before = None,
    within: Annotated[int | None, ANY, ONLY_PYTHON] = None,
) -> Effect[list[Message]]:
    """The messages of a lane, the newest first."""
    chosen = timed(filter_, ctx.now())

    def look(read: Reads) -> list[Message] | LanesError:
        lane = read(reads.lane(key))
        if lane is None:
            return missing(read, key)
        query = reads.messages(lane.id, state, limit, before, session=lane.is_session, within=within, chosen=chosen)
        return list(map(Message.of, read(query)))

    return QueryBlock(look)


@verb(
    "GET /api/dead-letters",
    result=list[Message],
    paging=BACKWARD,
    examples=(
        "lanes dead-letters",
        "lanes dead-letters --older-than 30d            what a prune would delete",
        "lanes dead-letters --prune --older-than 30d",
    ),
)
def dead_letters(
    ctx: Context,
    *,
    filter_: Messages = EVERY,
    older_than: Annotated[Duration | None, "Messages that failed at least this long ago, such as 30d."] = None,
    waiting: Annotated[Flag, NOT_TYPED, "only messages that were not retried yet"] = False,
    limit: Limit | None = None,
    before: Before = None,
    within: Annotated[int | None, ANY, ONLY_PYTHON] = None,
) -> Effect[list[Message]]:
    """The failed messages of all lanes, the newest first.

    Retried ones are included. `lanes retry ID` accepts one again. They stay until they are pruned by hand.
    """
    now = ctx.now()
    until = None if older_than is None else now.wall - older_than
    chosen = timed(filter_, now)
    query = reads.dead_letters(limit, before, within=within, chosen=chosen, until=until, waiting=waiting)
    return made_of(query, lambda rows: list(map(Message.of, rows)))


@verb("POST /api/dead-letters/search", result=LetterPage, looks=True)
def search_dead_letters(
    ctx: Context,
    *,
    filter_: Messages = EVERY,
    waiting: Annotated[Flag, NOT_TYPED, "only those that were not retried yet"] = False,
    limit: Annotated[int, count(0, MOST_ON_A_PAGE), NOT_TYPED, "at most this many"] = 0,
    offset: Annotated[int, count(0, MOST_NUMBER), NOT_TYPED, "the place of the first one"] = 0,
    place_of: Annotated[Id | None, NOT_TYPED, "the message whose place is returned"] = None,
) -> Effect[LetterPage]:
    """A page of the dead letters that a filter chooses, the newest first, how many there are, and where one stands."""
    chosen = timed(filter_, ctx.now())

    def look(read: Reads) -> LetterPage:
        query = reads.dead_letters(limit, chosen=chosen, waiting=waiting, offset=offset, within=PAGE_CHARACTERS)
        rows = read(query) if limit else []
        total = read(reads.letter_tally(chosen, waiting=waiting)).letters
        place = None if place_of is None else read(reads.letter_place(chosen, place_of, waiting=waiting))
        return LetterPage(tuple(map(Message.of, rows)), total, place)

    return QueryBlock(look)


@verb("POST /api/dead-letters/tally", result=LetterTally, looks=True)
def tally_dead_letters(
    ctx: Context, *, filter_: Messages = EVERY, older_than: OlderThan = 0, until: Until = None, up_to: UpTo = None
) -> Effect[LetterTally]:
    """What a prune of dead letters would delete: how many, from which to which, and how many it would keep."""
    now = ctx.now()
    chosen, before = timed(filter_, now), _before(now, older_than, until)

    def look(read: Reads) -> LetterTally:
        tally = read(reads.letter_tally(chosen, before, up_to or LAST))
        ends = [None if number is None else read(reads.message(number)) for number in (tally.oldest, tally.newest)]
        first, last = (None if row is None else Message.of(row) for row in ends)
        return LetterTally(tally.letters, tally.retried, tally.kept, first, last)

    return QueryBlock(look)


@verb("GET /api/message-ids", result=list[str], slow=True)
def message_ids(
    ctx: Context,
    *,
    for_: Annotated[outcomes.Action, words(outcomes.Action), "what is to be done with them"],
    filter_: Messages = EVERY,
) -> Effect[list[str]]:
    """The ids of the messages that a filter chooses and the action is allowed on, the oldest first: waiting messages
    for `drop`, dead letters that were not retried yet for `retry`.

    A message that a limit ended (expired, over_budget) is retried only if the filter names that cause, an aborted one
    only if it names its state or cause.
    """
    return made_of(reads.message_ids(*_allowed(ctx, for_, filter_)), lambda ids: list(map(str, ids)))


@verb("GET /api/message-count", result=Counted, slow=True)
def message_count(
    ctx: Context,
    *,
    for_: Annotated[outcomes.Action, words(outcomes.Action), "what would be done with them"],
    filter_: Messages = EVERY,
) -> Effect[Counted]:
    """How many messages a filter chooses that the action is allowed on: as many as `message_ids` lists."""
    return made_of(reads.message_count(*_allowed(ctx, for_, filter_)), Counted)


def _allowed(ctx: Context, action: outcomes.Action, filter_: LaneFilter) -> tuple[LaneFilter, str]:
    """The filter for an action, and the SQL condition under which the action is allowed on a message."""
    chosen = timed(filter_, ctx.now())
    if action is outcomes.Action.DROP:
        return chosen, reads.DROPPABLE
    named = {condition.field for condition in chosen.conditions if not condition.negated}
    if "cause" not in named:
        deliberate = tuple(Comparison(How.IS, cause) for cause in DELIBERATE)
        chosen = chosen._replace(conditions=(*chosen.conditions, Condition("cause", deliberate, negated=True)))
    return chosen, reads.RETRIABLE_WHERE_NAMED if named & {"state", "cause"} else reads.RETRIABLE


# ----------------------------------------------------------------------------------------------- acting


@verb(
    "POST /api/messages/{id}/retry",
    result=Message,
    status=202,
    errors=(NotFound, NotAllowed, QueueFull, LaneBusy),
    examples=("lanes retry 4711", "lanes retry --filter 'cause:provider_failed since:1h'"),
    deeds=(DashboardAction("Retry {}", "Retry", name="retry message"),),
    outcome_text=outcomes.retried,
    printed=lambda message: str(message.id),
)
def retry(ctx: Context, id: Id) -> Effect[Message]:  # noqa: A002 - as it is called everywhere
    """Retry a failed or aborted message.

    It becomes a new message at the end of the queue of its lane, accepted by the policy of the lane. A filter chooses
    failed messages, the oldest first. It chooses those that a limit ended (expired, over_budget) only if it names that
    cause, and aborted ones only if it names their state or cause (`state:aborted`).
    """
    return _retrying(ctx, lambda _: id)


@verb(
    "POST /api/lanes/{key}/retry",
    result=Message,
    status=202,
    errors=(NotFound, Changed, NotAllowed, QueueFull, LaneBusy),
    outcome_text=outcomes.retried,
    deeds=(DashboardAction("Retry the last failed message of {}", "Retry", name="retry"),),
)
def retry_last(ctx: Context, key: Key, *, epoch: Epoch | None = None) -> Effect[Message]:
    """Retry the newest message of a lane that failed, or that a person aborted, and that was not retried yet."""

    def last(tx: Transaction) -> int | LanesError:
        lane = within(tx, reads.lane(key))
        if lane is None:
            return NotFound("lane", key)
        if epoch not in (None, lane.epoch):
            return Changed(key, lane.epoch)
        before: int | None = None
        while page := within(tx, reads.messages(lane.id, tuple(RETRIABLE), AT_ONCE, before, session=lane.is_session)):
            for each in page:
                if is_left(each):
                    return each.id
            before = page[-1].id
        return NotAllowed("it has no failed or aborted message that was not retried")

    return _retrying(ctx, last)


def is_left(message: MessageRow | Message) -> bool:
    """Whether a message is still to be retried: it failed or a person aborted it, and it was not retried yet. One that
    a newer message or a leaving client ended is not needed any more."""
    by_hand = message.error is not None and message.error.cause == Cause.ABORTED
    return message.retried_as is None and (message.state is MessageState.FAILED or by_hand)


def _retrying(ctx: Context, chosen: Callable[[Transaction], int | LanesError]) -> Step[Message | LanesError]:
    admission_of, now = ctx.admissions(), ctx.now()

    def step(tx: Transaction) -> Message | LanesError:
        number = chosen(tx)
        if isinstance(number, LanesError):
            return number
        before = within(tx, reads.message(number))
        if before is None:
            return NotFound("message", number)
        admission = admission_of(before.key)
        match doors.retry(tx, number, admission, now, actor=ctx.actor):
            case Accepted(message_id=again):
                return read_back(tx, again, now)
            case Refusal.HOLD:
                return NotAllowed(
                    f"message {number} was a hold: only the program that held the lane can do that work again"
                )
            case Refusal.PASSED:
                return NotAllowed(
                    f"message {number} was passed on, and its content was not stored: only the program can ask again"
                )
            case Refusal.LANE_BUSY:
                return LaneBusy(before.key, rejects=True)
            case Refusal():
                return QueueFull(before.key, admission.cap)
        if before.retried_as is not None:
            return NotAllowed(f"message {number} was retried before, as message {before.retried_as}")
        return NotAllowed(f"message {number} is {before.state}: only a failed or aborted message can be retried")

    return step


@verb(
    "POST /api/messages/{id}/drop",
    result=Message,
    errors=(NotFound, NotAllowed),
    examples=("lanes drop 4711", "lanes drop --filter 'cron wait:>1h'"),
    deeds=(DashboardAction("Drop {}", "Drop", grave=True, name="drop message"),),
    outcome_text=outcomes.dropped,
)
def drop(ctx: Context, id: Id) -> Procedure[Message]:  # noqa: A002 - as it is called everywhere
    """End a waiting message without an answer. The journal keeps its text."""
    now = ctx.now()

    def step(tx: Transaction) -> MessageRow | LanesError:
        state = doors.drop(tx, id, now, actor=ctx.actor)
        if state is MessageState.RUNNING:
            return NotAllowed(f"message {id} is running: use abort")
        if state not in (None, MessageState.QUEUED):
            return NotAllowed(f"message {id} is {state}: only a waiting message can be dropped")
        return within(tx, reads.message(id)) or NotFound("message", id)

    return Message.of((yield from write(step)))


@verb(
    "POST /api/messages/{id}/move",
    result=Message,
    errors=(NotFound, NotAllowed),
    examples=("lanes move 4711 --front",),
    deeds=(DashboardAction("Move {} to the front", "To front", name="move message", params={"front": True}),),
    outcome_text=outcomes.moved,
)
def move(
    ctx: Context,
    id: Id,  # noqa: A002 - as it is called everywhere
    *,
    front: Annotated[Flag, "Before all other messages of its lane."] = False,
) -> Procedure[Message]:
    """Move a waiting message.

    At the front it is the next one that starts: also before what runs now, should that go back to its place.
    """
    if not front:
        raise Unfit("say where to: front is the only place", "front")
    now = ctx.now()

    def step(tx: Transaction) -> MessageRow | LanesError:
        state = doors.move_to_front(tx, id, now, actor=ctx.actor)
        if state not in (None, MessageState.QUEUED):
            return NotAllowed(f"message {id} is {state}: only a waiting message can be moved")
        return within(tx, reads.message(id)) or NotFound("message", id)

    return Message.of((yield from write(step)))


@verb("POST /api/dead-letters/prune", result=Pruned, slow=True)
def prune_dead_letters(
    ctx: Context,
    *,
    older_than: Annotated[Duration, "how old the dead letters must be (0s: all)"],
    until: Until = None,
    up_to: UpTo = None,
    filter_: Messages = EVERY,
) -> Procedure[Pruned]:
    """Delete the dead letters that failed at least this long ago for good, and return how many.

    A dead letter is kept while its sender may still repeat it with its idempotency key (24 h).
    """
    now, after, pruned = ctx.now(), 0, 0
    chosen, before = timed(filter_, now), _before(now, older_than, until)
    while True:
        due = yield from read(reads.prunable(chosen, before, after, PAGE, up_to or LAST))

        def step(tx: Transaction, due: Sequence[int] = due) -> int:
            count = doors.prune(tx, Prunable.DEAD_LETTERS, [(letter, before) for letter in due])
            if count:
                doors.note_pruned(tx, Prunable.DEAD_LETTERS, count, older_than, now, actor=ctx.actor)
            return count

        if due:
            pruned += yield from write(step)
        if len(due) < PAGE:
            return Pruned(pruned)
        after = due[-1]


def _before(now: Now, older_than_ms: int, until: int | None) -> int:
    before = now.wall - older_than_ms
    return before if until is None else min(before, until)
