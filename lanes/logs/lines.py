"""The format of log lines. Much of their text comes from outside, and none of that may look like another line."""

import logging

from lanes.base.terminal import clean

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
#: What every further line of a record begins with; a record itself begins with its time.
CONTINUED = "  | "
#: The longest record, in characters.
LONGEST = 65_536


class LineFormatter(logging.Formatter):
    """Formats a record. Every further line of it (a traceback, a text with newlines) begins with ``CONTINUED``."""

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        try:
            text = super().format(record)
        except Exception as error:  # formatting calls methods of any object
            record = logging.makeLogRecord(
                {"name": record.name, "levelname": record.levelname, "created": record.created}
                | {"msg": "a record that can not be shown (%s), of %s:%d"}
                | {"args": (type(error).__name__, record.filename, record.lineno)}
            )
            text = super().format(record)
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]}… ({len(text) - LONGEST} more characters)"
        return clean(text, keep_newlines=True).replace("\n", f"\n{CONTINUED}")
