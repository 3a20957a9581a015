"""A stream that nobody reads holds up nobody, and says what it dropped."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lanes.logs.unblocked import Unblocked
from tests.kit.processes import PATIENCE_S, eventually

LINE = b"x" * 99 + b"\n"


class Pipe:
    """A pipe as small as the system makes one, and a stream into it."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.size = fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, 4096)
        self.stream = Unblocked(self.writing, room=2 * self.size, notice=lambda lines: f"{lines} dropped", owns=True)

    def take(self, size: int) -> bytes:
        """Read so many bytes, however long they take to come."""
        taken = b""
        while len(taken) < size:
            taken += os.read(self.reading, size - len(taken))
        return taken

    def take_line(self) -> bytes:
        """Read one line."""
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(self.reading, 1)
        return line

    def close(self) -> None:
        """End everything."""
        os.close(self.reading)
        self.stream.end(PATIENCE_S)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_what_is_read_arrives_whole_and_in_order(pipe: Pipe) -> None:
    for number in range(20):
        assert pipe.stream.write(b"%d\n" % number)
    said = b"".join(b"%d\n" % number for number in range(20))
    assert pipe.take(len(said)) == said
    assert pipe.stream.wait_until_taken(PATIENCE_S)


def test_F115_a_pipe_that_nobody_reads_blocks_nobody_and_its_reader_is_told_of_the_gap(pipe: Pipe) -> None:
    for _ in range(1000):  # far more than there is room for, in the pipe and before it
        pipe.stream.write(LINE)
    assert not pipe.stream.wait_until_taken(0)
    kept = 0
    while (line := pipe.take_line()) == LINE:
        kept += 1
    assert 0 < kept < 1000
    assert line == b"%d dropped\n" % (1000 - kept)
    pipe.stream.write(b"again\n")
    assert pipe.take(6) == b"again\n", "and it goes on"


def test_a_reader_that_has_left_is_no_error(pipe: Pipe) -> None:
    os.close(pipe.reading)
    try:
        for _ in range(1000):
            pipe.stream.write(LINE)
            assert pipe.stream.wait_until_taken(PATIENCE_S)
    finally:
        pipe.reading = os.open(os.devnull, os.O_RDONLY)


def test_a_descriptor_that_somebody_made_non_blocking_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    for _ in range(70):
        pipe.stream.write(LINE)
    assert pipe.take(70 * len(LINE)) == 70 * LINE


def test_a_forked_child_speaks_by_itself(pipe: Pipe) -> None:
    child = os.fork()
    if child == 0:
        pipe.stream.write(b"from the child\n")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert pipe.take(15) == b"from the child\n"


SPEAKS = """
import logging, sys
from lanes.logs import log_to
log_to("info")
print("on standard output")
for number in range({lines}):
    logging.getLogger("lanes.test").warning("line %d", number)
sys.exit({code})
"""


@pytest.mark.parametrize("lines", [1, 50_000])
def test_F115_a_process_ends_although_nobody_reads_what_it_says(lines: int) -> None:
    script = SPEAKS.format(lines=lines, code=3)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.wait(PATIENCE_S) == 3
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read() == b"on standard output\n"
        said = process.stderr.read()
    assert said.count(b"WARNING lanes.test: line") <= lines
    assert b"line 0\n" in said
    assert lines > 1 or said.endswith(b"line 0\n")


def test_what_a_quick_process_says_last_arrives() -> None:
    script = SPEAKS.format(lines=500, code="'the last word'")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(b"line 499\nthe last word\n")


def test_importing_lanes_leaves_the_logging_of_an_embedder_alone() -> None:
    script = (
        "import logging, sys; before = (sys.stdout, sys.stderr, list(logging.getLogger().handlers))\n"
        "import lanes; lanes.Gateway, lanes.connect, lanes.Hooks\n"
        "assert (sys.stdout, sys.stderr, list(logging.getLogger().handlers)) == before\n"
        "assert 'lanes.logs' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=PATIENCE_S)


def test_it_ends_and_gives_back_its_descriptor() -> None:
    made = Pipe()
    os.close(made.reading)
    made.stream.end(PATIENCE_S)

    def closed() -> bool:
        try:
            os.fstat(made.writing)
        except OSError:
            return True
        return False

    assert eventually(closed, "its descriptor to be closed")
