"""What becomes of messages that an ended run has not taken."""

from lanes_storage.clock import Now
from lanes_storage.doors.shared.endings import end_waiting
from lanes_storage.interface import Transaction
from lanes_storage.law import Cause, MessageState
from lanes_storage.reads.shapes import to_question
from lanes_storage.records import HandedText, RunFailure
from lanes_storage.statements import questions as sql


def give_back(tx: Transaction, run: int, stored: str | None, now: Now) -> None:
    """The messages that were meant for a run wait as others do. ``stored``: the question that was open when it ended.

    An answer gets the text of its question, because on its own it could be understood as something else. The answer to
    a request for a permission is dropped: it must not permit anything else.
    """
    question = to_question(stored)
    answer = None if question is None else question.answer
    for row in tx.rows(sql.ANSWERING_MESSAGE, {"message": answer}) if answer is not None else ():
        assert question is not None
        given = HandedText(*row)
        if question.permission:
            gone = RunFailure(Cause.NO_ANSWER, f"the run that asked “{question.text}” has ended")
            end_waiting(tx, given.message_id, MessageState.DROPPED, gone, now, actor="lanes")
        else:
            text = f"(to the question “{question.text}”) {given.text}"
            tx.run(sql.REWORD, {"message": given.message_id, "text": text})
    tx.run(sql.GIVE_ALL_BACK, {"run": run})
