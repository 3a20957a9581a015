"""How a line of the log looks. Much of what it says comes from outside, and none of that may look like another line."""

import logging

from lanes.base.terminal import clean

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
#: What every further line of a record begins with; a record itself begins with its time.
CONTINUED = "  | "
#: The longest record, in characters.
LONGEST = 65_536


class LineFormatter(logging.Formatter):
    """A record as one line, what follows of it (a traceback, the newlines of a foreign text) behind a mark."""

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        try:
            text = super().format(record)
        except Exception as error:  # whatever the words of somebody else's object do
            record = logging.makeLogRecord(
                {"name": record.name, "levelname": record.levelname, "created": record.created}
                | {"msg": "a record that can not be shown (%s), of %s:%d"}
                | {"args": (type(error).__name__, record.filename, record.lineno)}
            )
            text = super().format(record)
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]}… ({len(text) - LONGEST} more characters)"
        return clean(text, keep_newlines=True).replace("\n", f"\n{CONTINUED}")
