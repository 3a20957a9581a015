"""What was chosen is kept, and no file keeps the dashboard from starting."""

from pathlib import Path

import pytest

from lanes_storage.records import LaneOrder, LaneSort
from lanes_tui.display.columns import USUAL
from lanes_tui.display.settings import USUAL_ORDER, Settings, load, settings_path
from tests.kit.stage import Stage
from tests.tui.driving import dashboard


def test_it_lies_in_the_configuration_directory_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    assert settings_path() == Path("/somewhere/lanes/dashboard.toml")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/nowhere")
    assert settings_path() == Path("/nowhere/.config/lanes/dashboard.toml")


def test_what_is_saved_is_loaded_again_with_what_others_wrote(tmp_path: Path) -> None:
    path = tmp_path / "new" / "dashboard.toml"
    chosen = Settings(
        path, ("STATE", "LANE"), LaneOrder(LaneSort.HELD, True), 5.0, others={"unknown": 'a "b" \\ \u202e飞'}
    )
    chosen.save()
    again = load(path)
    assert (again.columns, again.order, again.refresh_s) == (("STATE", "LANE"), LaneOrder(LaneSort.HELD, True), 5.0)
    assert again.others == chosen.others
    assert again.broken is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        'columns = "LANE"',
        "columns = [1, 2]",
        'sort = "by the moon"',
        "sort = 3",
        'refresh = "often"',
        "reverse = []",
    ],
)
def test_what_means_nothing_is_as_if_it_had_not_been_chosen(tmp_path: Path, content: str) -> None:
    path = tmp_path / "dashboard.toml"
    path.write_text(content, encoding="utf-8")
    found = load(path)
    assert (found.columns, found.order, found.refresh_s) == (USUAL, USUAL_ORDER, 1.0)


@pytest.mark.parametrize("content", [b"columns = [", b"\xff\xfe\x00"])
async def test_a_broken_file_is_told_and_left_as_it_is(stage: Stage, content: bytes) -> None:
    path = stage.path.parent / "dashboard.toml"
    path.write_bytes(content)
    async with dashboard(stage.path, settings=load(path)) as driver:
        await driver.until(lambda: driver.said, "the word on it")
        assert "the settings cannot be read" in driver.said[0]
        await driver.press("s", "minus")
    assert path.read_bytes() == content


def test_where_nothing_can_be_written_the_choice_holds_all_the_same(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    chosen = Settings(blocked / "dashboard.toml", order=LaneOrder(LaneSort.WAIT))
    chosen.save()
    assert chosen.order.by is LaneSort.WAIT
