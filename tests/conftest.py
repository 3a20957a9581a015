"""Where tests keep their files, and in which order they run.

Most tests prove nothing about the disk, and waiting for it was most of the suite's time: their folders lie in memory
where the machine has a file system for that. What is about the disk itself is marked ``disk`` and stays on it.
"""

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import settings

from lanes.drivers import client, remote
from tests.kit.until import PATIENCE_S

# An example of a property may take any time: the machine may be busy.
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
# Nor does a test meet a limit of those who ask a gateway unless it sets a shorter one.
client.PATIENCE_S = client.TRANSFER_S = remote.ADVICE_S = PATIENCE_S

#: A file system in memory, where there is one (Linux), and what must be free there.
MEMORY = Path("/dev/shm")
ROOM = 2 << 30
#: Where the longest tests are: these begin first, so that at the end none is left over for one process alone.
LONGEST = ("house/test_installed", "house/test_readme", "proof", "faults", "scenarios", "agents", "tui")
#: pytest's own variable for where its temporary folders begin; its workers and what tests start inherit it.
TEMPROOT = "PYTEST_DEBUG_TEMPROOT"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--order", default="", metavar="random|SEED", help="run the tests in a random order")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # one of several processes: all of them have the same order
        config.option.order = config.workerinput["order"]
    elif config.option.order == "random":
        config.option.order = str(Random().randrange(10**6))
    if TEMPROOT not in os.environ and _has_room(MEMORY):
        os.environ[TEMPROOT] = str(MEMORY)
    # What was started by `nohup` or in the background of a shell ignores these, and so would all that tests start.
    for name, heeded in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(name) is signal.SIG_IGN:
            signal.signal(name, heeded)
    # What these name is read again for every client, which took a tenth of the time; the certificates of the package
    # are read once. What `make soak` downloads may need them.
    if config.option.markexpr == "not soak":
        for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            os.environ.pop(variable, None)
    # Where byte code is not kept, every process that a test starts compiles the whole program.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For half of its time a test waits, for a process or a limit, and leaves its processor to another one."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["order"] = node.config.option.order


def pytest_sessionstart(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and session.config.option.order:
        reporter.write_line(f"in the order of --order {session.config.option.order}")  # also where -q hides the header


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.order:
        by_chance = Random(int(config.option.order))
        # The tests of a module stay together: what they share is made once.
        place = {module: by_chance.random() for module in dict.fromkeys(item.path for item in items)}
        by_chance.shuffle(items)
        items.sort(key=lambda item: place[item.path])
    else:
        tests = Path(__file__).parent
        place = {
            path: _place(path.relative_to(tests)) for path in {item.path for item in items} if tests in path.parents
        }
        items.sort(key=lambda item: place.get(item.path, len(LONGEST)))


def _place(file: Path) -> int:
    """Which of the longest a file of tests belongs to; a number beyond them for every other one."""
    return next((at for at, start in enumerate(LONGEST) if file.as_posix().startswith(start)), len(LONGEST))


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end: to search it for garbage again and again took a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture
def tmp_path(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of the test's own: in memory, or on the disk for a test that is marked ``disk``."""
    if request.node.get_closest_marker("disk") is None:
        yield tmp_path
    else:
        with tempfile.TemporaryDirectory(prefix="lanes-test-") as folder:
            yield Path(folder).resolve()


def _has_room(folder: Path) -> bool:
    """Whether files may be made there, and enough of them. In a container it is often tiny."""
    try:
        return os.access(folder, os.W_OK | os.X_OK) and shutil.disk_usage(folder).free >= ROOM
    except OSError:
        return False
