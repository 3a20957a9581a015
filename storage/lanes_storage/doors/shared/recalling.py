"""Messages that are meant for a run, and end before it takes them."""

from lanes_storage.interface import Transaction
from lanes_storage.statements import questions as sql


def recall(tx: Transaction, message: int, run: int | None) -> None:
    """The message is not meant for that run any more; if it was the answer to a question, that waits for another."""
    if run is not None:
        tx.run(sql.FORGET_ANSWER, {"run": run, "message": message})
        tx.run(sql.GIVE_BACK, {"message": message})
