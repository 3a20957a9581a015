"""Verbs on the conversations of lanes: read, begin a new one, export, import."""

from collections.abc import Sequence
from typing import Annotated, Any

from lanes.base.errors import Changed, LanesError, NotAllowed, NotFound
from lanes.base.procedure import Effect, QueryBlock
from lanes.context import Context
from lanes.conversations.exchange import exported, imported, to_store
from lanes.conversations.turns import turn_from
from lanes.records import Acted, Conversation, ConversationExport
from lanes.verbs import outcomes
from lanes.verbs.control import acted
from lanes.verbs.kinds import OBJECT, Count, Epoch, Key, Limit, NewKey
from lanes.verbs.verb import DashboardAction, verb
from lanes.watch.naming import missing
from lanes_storage import doors, reads
from lanes_storage.interface import Reads
from lanes_storage.law import RELEASED
from lanes_storage.records import ConversationState, TurnRow

Number = Annotated[Count | None, "One of the earlier conversations, by its number. [default: the present one]"]


@verb(
    "GET /api/lanes/{key}/conversation",
    result=Conversation,
    errors=(NotFound,),
    examples=(
        "lanes conversation show agent:main:telegram:42",
        "lanes conversation show agent:main:telegram:42 --number 1     an earlier one",
    ),
)
def conversation(ctx: Context, key: Key, *, number: Number = None, limit: Limit | None = None) -> Effect[Conversation]:
    """What a lane remembers of its conversation. Each turn, the oldest first, and which conversations there were.

    A turn that did not end well has no answer; a model is told its text with the next one.
    """
    del ctx

    def look(read: Reads) -> Conversation | LanesError:
        found = _turns(read, key, number, limit)
        if isinstance(found, LanesError):
            return found
        state, shown, turns = found
        return Conversation.of(key, state, shown, turns, read(reads.conversations(state.lane_id)))

    return QueryBlock(look)


def _turns(
    read: Reads, key: str, number: int | None, limit: int | None
) -> tuple[ConversationState, int, list[TurnRow]] | LanesError:
    state = read(reads.conversation_state(key))
    if state is None:
        return missing(read, key)
    shown = state.number if number is None else number
    turns = read(reads.conversation(state.lane_id, shown, limit))
    if not turns and shown != state.number:
        return NotFound("conversation", f"{shown} of lane {key}")
    return state, shown, turns


@verb(
    "POST /api/lanes/{key}/conversation/new",
    result=Acted,
    errors=(NotFound, Changed, NotAllowed),
    examples=("lanes conversation new agent:main:telegram:42",),
    outcome_text=outcomes.begun,
    deeds=(DashboardAction("Begin a new conversation in {}", "New conversation", fits=RELEASED),),
)
def new_conversation(ctx: Context, key: Key, *, epoch: Epoch | None = None) -> Effect[Acted]:
    """Begin a new conversation. What a lane remembers is not told any more, and the agent of a command run forgets its
    own. The earlier turns stay readable.

    What waits belongs to the new conversation. Refused while the lane runs: its run began in the present one.
    """
    return _begin(ctx, key, epoch=epoch)


def _begin(
    ctx: Context, key: str, *, epoch: int | None = None, turns: Sequence[doors.ImportedTurn] | None = None
) -> Effect[Acted]:
    now = ctx.now()
    return acted(
        ctx,
        key,
        lambda tx: doors.new_conversation(tx, key, now, actor=ctx.actor, bound_epoch=epoch, turns=turns),
        unless_held=True,
    )


@verb(
    "GET /api/lanes/{key}/conversation/export",
    result=ConversationExport,
    errors=(NotFound,),
    examples=("lanes conversation export agent:main:telegram:42 > talk.json",),
)
def export_conversation(ctx: Context, key: Key, *, number: Number = None) -> Effect[ConversationExport]:
    """A whole conversation as chat messages. Other programs and `lanes conversation import` read them."""
    del ctx

    def look(read: Reads) -> ConversationExport | LanesError:
        found = _turns(read, key, number, None)
        if isinstance(found, LanesError):
            return found
        _, shown, turns = found
        return ConversationExport(key, shown, tuple(exported(map(turn_from, turns))))

    return QueryBlock(look)


@verb(
    "POST /api/lanes/{key}/conversation/import",
    result=Acted,
    errors=(NotAllowed,),
    examples=("lanes conversation import agent:main:telegram:42 talk.json",),
    outcome_text=outcomes.begun,
)
def import_conversation(
    ctx: Context, key: NewKey, *, messages: Annotated[tuple[Annotated[dict[str, Any], OBJECT], ...], "chat messages"]
) -> Effect[Acted]:
    """Begin a new conversation with what was said elsewhere. Chat messages of users, assistants and tools, as texts.

    Makes the lane if there is none. Refused while the lane runs.
    """
    return _begin(ctx, key, turns=[to_store(text, answer) for text, answer in imported(messages)])
