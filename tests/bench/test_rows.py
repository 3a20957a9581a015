"""Each row of the benchmarks does its work, at a size that says nothing about speed."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from lanes.bench.groups import ROWS
from lanes.bench.kit.rows import BenchRow, Measured, Result, at_least
from lanes.bench.kit.work import TINY, Figures, Work
from lanes.bench.measuring import bench, measured
from tests.bench import rows, table
from tests.bench.__main__ import main


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    """One run of the benchmarks, whose rows share what they make."""
    work = Work(TINY, tmp_path_factory.mktemp("bench"), progress=lambda _: None)
    yield work
    work.close()


@pytest.mark.parametrize("row", [*ROWS, *rows.ROWS], ids=lambda row: row.name)
def test_a_row_gives_a_figure(row: BenchRow, work: Work) -> None:
    (result,) = measured([row], work)
    if result.measured is None:
        assert "--peers" in result.why
        return
    assert math.isfinite(result.measured.value.median)
    assert result.measured.value.median > 0
    assert result.measured.figures


def test_the_folder_may_be_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `make bench` does; processes that are measured work in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk").mkdir()
    chosen = [row for row in ROWS if row.name == "list-process"]
    facts, (result,) = bench(chosen, TINY, Path("disk"), lambda _: None)
    assert result.measured is not None, result.why
    assert facts["file system"]


@pytest.mark.parametrize("option", ["--write", "--folder"])
def test_a_place_that_does_not_exist_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    monkeypatch.setattr("sys.argv", ["tests.bench", "--list", option, str(tmp_path / "none")])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "none does not exist" in capsys.readouterr().err


def test_a_table_is_written_between_its_marks(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text(f"# Figures\n\n{table.BEGIN}\nold\n{table.END}\n\nThe rest.\n", encoding="utf-8")
    taken = Measured(Figures((0.65, 0.72, 0.7)), "7/s against 10/s")
    row = BenchRow("some-row", "something", at_least(0.5), lambda _: taken)
    table.write_into(document, table.markdown({"CPU": "one"}, [Result(row, taken)], rounds=3))
    text = document.read_text(encoding="utf-8")
    assert "| `some-row` | something | ≥ 0.5 | 0.70 | 0.65–0.72 | met | 7/s against 10/s |" in text
    assert "old" not in text
    assert text.endswith("The rest.\n")
