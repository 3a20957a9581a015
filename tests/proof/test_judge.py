"""The judge of a campaign sees what it is there to see: files from which something is missing, told by hand."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lanes.testing import History
from lanes_storage import open_store
from tests.kit.world import World
from tests.proof.campaign.judge import Told, judge, told_in
from tests.proof.campaign.worlds import DATABASE, LOG, PARTS, File, Worlds, file_at


class Scene:
    """A house without processes: a database, what was acknowledged, and what the provider saw."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "lanes.db"
        self.worlds = Worlds(self.database)
        self.told: list[Told] = []
        self.asked: list[dict[str, object]] = []
        self.provider = folder / "provider.jsonl"

    @property
    def file(self) -> File:
        file = file_at(self.database)
        assert file is not None
        return file

    def send(self, number: int, *, run: bool = True, lane: int = 0) -> Told:
        """Have a message acknowledged, and answered."""
        store = open_store(str(self.database), create=True)
        world, file = World(store), self.file
        key, text = str(lane), f"{number} of {lane}"
        told = Told(world.send(key, text), key, text, len(self.told), (file, file))
        if run:
            claimed = world.claim(key)
            world.complete(claimed.ticket, text)
            self.ask(key, claimed.ticket.run_id, text)
        store.close()
        self.told.append(told)
        return told

    def ask(self, key: str, run: int, text: str) -> None:
        """Let the provider answer a run."""
        at = 10 * len(self.asked)
        seen = {"server": "s", "sequence": at, "key": key, "run": str(run), "text": text, "started_ns": at}
        self.asked.append(seen | {"ended_ns": at + 5, "outcome": "finished"})

    def change(self, sql: str) -> None:
        """What somebody with a shell does to the file."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.executescript(f"PRAGMA foreign_keys = OFF; {sql}")

    def judged(self) -> History:
        """What the judge says."""
        self.provider.write_text("".join(json.dumps(seen) + "\n" for seen in self.asked))
        return judge(self.told, self.worlds, self.provider)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_true_campaign_is_clean(scene: Scene) -> None:
    for number in (1, 2):
        scene.send(number)
    scene.worlds.take(*PARTS)
    scene.send(3)
    history = scene.judged()
    assert history.problems == []
    assert history.messages == 3, "of both files"


def test_an_acknowledged_message_that_is_in_no_file_is_lost(scene: Scene) -> None:
    scene.send(1)
    told = scene.send(2, run=False)
    rows = f"DELETE FROM events WHERE message_id = {told.id}; DELETE FROM messages WHERE id = {told.id}"
    scene.change(f"{rows}; UPDATE lanes SET head_id = NULL")
    (lost,) = scene.judged().lost
    assert "'2 of 0'" in lost
    assert "in no file" in lost


def test_an_id_that_was_given_twice_is_a_loss(scene: Scene) -> None:
    told = scene.send(1)
    scene.told.append(told._replace(text="another text"))
    (lost,) = scene.judged().lost
    assert "'another text'" in lost


def test_a_message_in_another_file_than_the_path_named_is_lost(scene: Scene) -> None:
    told = scene.send(1)
    scene.worlds.take(*PARTS)
    other = scene.send(2)
    scene.told[0] = told._replace(files=other.files)
    (lost,) = scene.judged().lost
    assert "'1 of 0'" in lost
    assert f"only in [{told.files[0].inode}]" in lost  # type: ignore[union-attr]
    scene.told[0] = told._replace(files=(told.files[0], other.files[0]))
    assert scene.judged().problems == [], "the file was replaced while it was acknowledged"


def test_an_acknowledgement_into_nothing_is_lost(scene: Scene) -> None:
    scene.told[0:] = [scene.send(1)._replace(files=(None, None))]
    (lost,) = scene.judged().lost
    assert "named no file" in lost


def test_what_is_left_unanswered_in_the_last_file_is_lost_and_in_another_one_is_not(scene: Scene) -> None:
    scene.send(1, run=False)
    assert len(scene.judged().lost) == 2, "it has not ended, and is not answered"
    scene.worlds.take(*PARTS)
    scene.send(2)
    assert scene.judged().problems == []


def test_a_message_that_failed_without_a_harm_to_itself_is_lost(scene: Scene) -> None:
    told = scene.send(1)
    failed = "state = 'failed', reply = NULL, error_cause = 'runner_failed', error_message = 'x'"
    scene.change(f"UPDATE messages SET {failed} WHERE id = {told.id}")
    history = scene.judged()
    assert len(history.lost) == 1
    assert history.contradictions


def test_a_wrong_reply_is_a_contradiction(scene: Scene) -> None:
    scene.send(1)
    scene.change("UPDATE messages SET reply = 'of another one'")
    (said,) = scene.judged().contradictions
    assert "wrong reply" in said


def test_a_reply_may_begin_with_the_texts_that_got_none(scene: Scene) -> None:
    poison, answered = scene.send(1), scene.send(2)
    failed = "state = 'failed', reply = NULL, error_cause = 'poison', error_message = 'x'"
    scene.change(f"UPDATE messages SET {failed} WHERE id = {poison.id}")
    for reply, wrong in ((f"{poison.text}\n\n{answered.text}", False), (f"{answered.text}\n\n{poison.text}", True)):
        scene.change(f"UPDATE messages SET reply = '{reply}' WHERE id = {answered.id}")
        assert any("wrong reply" in said for said in scene.judged().contradictions) is wrong


def test_a_second_answer_of_the_provider_is_a_duplicate(scene: Scene) -> None:
    told = scene.send(1)
    scene.ask(told.key, 99, told.text)
    assert len(scene.judged().duplicated) == 1


def test_a_run_that_began_in_a_deleted_file_is_an_overlap(scene: Scene) -> None:
    scene.send(1)
    taken = scene.worlds.take(*PARTS)
    scene.worlds.put_back(taken)
    absence = scene.worlds.absences[0]
    scene.send(2)
    (claim,) = (run for run in scene.asked if run["text"] == "2 of 0")
    scene.change(f"UPDATE events SET at = {absence.until + 1} WHERE type = 'claim' AND run_id = {claim['run']}")
    assert scene.judged().overlaps == [], "it is back"
    scene.worlds.absences = [absence._replace(until=absence.until + 2)]
    (said,) = scene.judged().overlaps
    assert "while the path did not name it" in said


def test_what_is_put_back_is_the_same_file(scene: Scene) -> None:
    scene.send(1)
    before = scene.file
    store = open_store(str(scene.database))
    for parts in ((DATABASE,), (LOG,), PARTS):
        number = scene.worlds.take(*parts)
        scene.worlds.put_back(number)
        assert scene.file == before
    store.close()
    assert scene.worlds.files() == {before: scene.database}


def test_what_came_in_its_place_is_kept_as_well(scene: Scene) -> None:
    scene.send(1)
    number = scene.worlds.take(*PARTS)
    scene.send(2)
    other = scene.file
    scene.worlds.put_back(number)
    assert set(scene.worlds.files()) == {scene.file, other}
    assert scene.judged().problems == [], "of both files"


def test_a_file_whose_maker_was_killed_at_once_has_nothing_in_it(scene: Scene) -> None:
    told = scene.send(1)
    number = scene.worlds.take(*PARTS)
    scene.database.touch()
    scene.told.append(told._replace(files=(scene.file, scene.file)))
    scene.worlds.put_back(number)
    assert len(scene.judged().lost) == 1, "nor may anybody have been told otherwise"


def test_acknowledgements_are_read_as_senders_note_them(tmp_path: Path) -> None:
    line = {"id": 7, "key": "a", "text": "1 of a", "at": 5, "files": [[1, 2], None]}
    (tmp_path / "acknowledged-0.jsonl").write_text(json.dumps(line) + "\n")
    assert told_in(tmp_path) == [Told(7, "a", "1 of a", 5, (File(1, 2), None))]
