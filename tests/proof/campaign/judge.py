"""The judge of a campaign: what senders were told, against what is in the files."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lanes.testing import Asked, History, broken, read_history, read_provider
from lanes.testing.provider import read_requests
from lanes_storage import open_store
from tests.proof.campaign.worlds import Absence, File, Worlds

#: Everything that a sender was told, by the name of its log.
LOGS = "acknowledged-*.jsonl"
#: Lanes that misbehave on purpose, and may end as they like.
ODD = "odd"
#: Else a message is answered, or ended by an operator, or its gateways were killed under it three times.
UNANSWERED = f"""
    SELECT m.id, m.state, m.error_cause, m.error_message FROM messages AS m JOIN lanes AS l ON l.id = m.lane_id
    WHERE l.key NOT GLOB '{ODD}*' AND m.state <> 'done' AND NOT (m.state = 'failed' AND m.error_cause = 'poison')
      AND NOT (m.state = 'aborted' AND m.error_cause = 'aborted')
"""
#: The provider echoes what it was told last: the text, after those before it in the lane that got no reply.
WRONGLY = f"""
    SELECT m.id FROM messages AS m JOIN lanes AS l ON l.id = m.lane_id
    WHERE l.key NOT GLOB '{ODD}*' AND m.state = 'done' AND m.reply IS NOT m.text AND m.reply IS NOT (
      SELECT group_concat(b.text, char(10, 10)) FROM (SELECT text FROM messages WHERE lane_id = m.lane_id AND id <= m.id
        AND id > coalesce((SELECT max(d.id) FROM messages d
          WHERE d.lane_id = m.lane_id AND d.id < m.id AND d.state = 'done'), 0) ORDER BY id) b)
"""


class Told(NamedTuple):
    """One acknowledgement: when it came (the machine's monotonic clock in nanoseconds), and which file the path named
    before the message was sent and after its acknowledgement; None: no file."""

    id: int
    key: str
    text: str
    at: int
    files: tuple[File | None, File | None]


def told_in(folder: Path) -> list[Told]:
    """What the senders of a house were told."""
    told = []
    for log in sorted(folder.glob(LOGS)):
        for line in log.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            before, after = (file and File(*file) for file in entry.pop("files"))
            told.append(Told(**entry, files=(before, after)))
    return told


def judge(told: Iterable[Told], worlds: Worlds, provider: Path) -> History:
    """Everything that is wrong, with all that the path of a database ever named. Nobody writes any more.

    Each acknowledged message is in the file that the path named, under its id and with its text. In each file no
    message ended twice, no runs of a lane overlap, and messages started in their order; in the file that the path
    names now all of them have ended, answered. The provider answered none twice, and was asked for none by a run
    that was claimed in a file while the path did not name it.
    """
    total = History()
    files = {file: path for file, path in worlds.files().items() if _has_schema(path)}
    texts = {file: _texts(path) for file, path in files.items()}
    own = {file: frozenset(of.values()) for file, of in texts.items()}
    histories = {file: _of_file(path, settled=path == worlds.database) for file, path in files.items()}
    for one in told:
        total.lost += _lost(one, texts)
    for file, history in histories.items():
        # a message that was copied may have been cut in the other file after that
        cut = set().union(*(histories[other].cut_runs for other in files if own[other] & own[file]))
        history.take(read_provider(provider, cut, which=partial(_is_of, own[file])))
        total.take(history)
        total.messages += history.messages
    for absence in worlds.absences:
        if absence.file in files:
            requests = filter(partial(_is_of, own[absence.file]), read_requests(provider))
            total.overlaps += _claimed_elsewhere(absence, files[absence.file], requests)
    return total


def _is_of(texts: frozenset[str], asked: Asked) -> bool:
    """Whether a request came from the file that has these texts: each is sent once, and the newest one comes last."""
    return asked.text.rpartition("\n\n")[2] in texts


def _claimed_elsewhere(absence: Absence, path: Path, requests: Iterable[Asked]) -> list[str]:
    """The runs that were claimed in a file which the path did not name, and that did their work all the same."""
    claims = "SELECT run_id FROM events WHERE type = 'claim' AND at > ? AND at < ?"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        runs = {run for (run,) in connection.execute(claims, (absence.since, absence.until))}
    return [
        f"lane {asked.key!r}: run {asked.run} was claimed in {path.name} while the path did not name it"
        for asked in requests
        if asked.run in runs
    ]


def _lost(told: Told, texts: Mapping[File, Mapping[int, str]]) -> list[str]:
    """Nothing where it should be: in the file that the path named, or in either if that changed meanwhile."""
    files = {file for file in told.files if file is not None}
    if not files:
        return [f"message {told.id} of lane {told.key!r} was acknowledged while the path named no file"]
    if any(texts.get(file, {}).get(told.id) == told.text for file in files):
        return []
    elsewhere = [file.inode for file, of in texts.items() if told.text in of.values()]
    where = f"only in {elsewhere}" if elsewhere else "in no file"
    named = sorted(file.inode for file in files)
    return [f"message {told.id}, {told.text!r}, was acknowledged at {told.at}, in {named}; it is {where}"]


def _has_schema(path: Path) -> bool:
    """Whether whoever made it lived long enough to have anything accepted in it."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return bool(connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'messages'").fetchone()[0])


def _texts(path: Path) -> dict[int, str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT id, text FROM messages"))


def _of_file(path: Path, *, settled: bool) -> History:
    store = open_store(str(path))
    try:
        history = read_history(store, settled=settled)
        history.contradictions += broken(store)
    finally:
        store.close()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        history.contradictions += [f"message {id_} has a wrong reply" for (id_,) in connection.execute(WRONGLY)]
        unanswered = connection.execute(UNANSWERED).fetchall() if settled else ()
    history.lost += [
        f"message {id_} was not answered: {state}, {cause}: {why}" for id_, state, cause, why in unanswered
    ]
    return history
