"""No order of commits breaks an invariant: all of them, for a small configuration."""

from pathlib import Path

import pytest

from tests.proof.interleavings import Search, Size

SMALL = Size(claims=1, endings=("complete",))
ASKING = Size(claims=1, endings=("complete",), late=0, beats=0, questions=1)
WHOLE = Size(claims=1, endings=("complete", "fail", "park", "abort"))


def search(folder: Path, size: Size, capsys: pytest.CaptureFixture[str]) -> Search:
    found = Search(folder, size)
    orders = found.run()
    with capsys.disabled():
        print(  # noqa: T201 - how much was searched is what there is to see
            f"\n{orders:,} orders of commits over {found.states:,} states, {found.commits:,} commits and {found.ends:,}"
            f" ends, up to {found.most_refused} late writes refused: every invariant held"
        )
    assert min(orders, found.states, found.commits, found.ends, found.most_refused) > 0
    return found


def test_F12_F25_F58_every_order_of_a_small_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = search(tmp_path, SMALL, capsys)
    assert found.states > 500, "it is no search if there is nothing to find"


def test_F254_every_order_with_a_question_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second message is the answer where the first one's run asks when it comes."""
    search(tmp_path, ASKING, capsys)


@pytest.mark.soak
def test_every_order_of_the_whole_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search(tmp_path, WHOLE, capsys)
