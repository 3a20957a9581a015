"""The examples of docs/http-examples.md do what they say, in a shell, against a real gateway."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from lanes.records.problems import KINDS
from tests.house.modules import ROOT
from tests.kit.processes import House, Process, house
from tests.kit.simulated import simulated
from tests.kit.tools import needs

PAGE = (ROOT / "docs" / "http-examples.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("examples")) as one:
        one.config.write_text(simulated(one.provider(50)))
        yield one


@pytest.fixture(scope="module")
def gateway(made: House) -> Process:
    """A gateway whose lane of the examples has a past, so that each example may be run by itself."""
    process = made.gateway()
    made.lanes("send", "agent:main:telegram:42", "hello", "--wait")
    made.lanes("send", "agent:main:telegram:42", "hello", "--wait")
    return process


@needs("curl", "jq")
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(gateway: Process, number: int) -> None:
    done = subprocess.run(
        ["sh", "-eu", "-c", EXAMPLES[number]],
        env=os.environ | {"URL": gateway.url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (EXAMPLES[number], done.stdout, done.stderr)
    assert done.stdout.strip()
    assert "null" not in done.stdout.split() or "next" in EXAMPLES[number] or "error" in EXAMPLES[number]


def test_there_are_examples_and_every_code_is_told() -> None:
    assert len(EXAMPLES) >= 12
    for kind in KINDS:
        assert f"`{kind.code}`" in PAGE
