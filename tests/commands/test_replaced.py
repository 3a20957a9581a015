"""Another version is installed under a gateway that lives."""

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from lanes.doctor.file import check_whole
from lanes.records import Level
from lanes_storage.schema import tables, versions
from tests.commands.conftest import CONFIG
from tests.kit.databases import new_store
from tests.kit.processes import Process, environment, eventually, house

ROOT = Path(__file__).parents[2]
RUNNERS = """
[[runner]]
name = "shell"
kind = "command"
argv = ["sh", "-c", "read -r line; eval $line"]

[[policy]]
match = "shell:*"
runner = "shell"
"""
#: The command `lanes`, which loads at once what it may need later, and says when it has.
SCRIPT = """
import sys
from lanes.commands import main
from lanes.commands.serve import loading

load = loading.load

def told():
    load()
    print("all is loaded", flush=True)

loading.AFTER_S, loading.load = 0, told
sys.exit(main())
"""


def test_F872_a_gateway_whose_program_is_replaced_or_removed_goes_on(tmp_path: Path) -> None:
    """What it imports later is not there any more, or is of another version: each message failed, while its health was
    good."""
    packages = tmp_path / "packages"
    for package in ("lanes", "storage/lanes_storage"):
        shutil.copytree(ROOT / package, packages / Path(package).name, ignore=shutil.ignore_patterns("__pycache__"))
    with house(tmp_path) as made:
        made.config.write_text(CONFIG.format(url=made.provider()) + RUNNERS)
        where = ["gateway", "--db", str(made.database), "--config", str(made.config), "--port", "0"]
        env = environment(tmp_path) | {"PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"}
        gateway = Process([sys.executable, "-c", SCRIPT, *where], tmp_path, "gateway", env)
        made.processes.append(gateway)
        gateway.url = gateway.address()
        eventually(lambda: "all is loaded" in gateway.said(), "all to be loaded")
        shutil.rmtree(packages)
        for key, text, reply in (("chat:1", "hello", "hello"), ("shell:1", "echo $((6*7))", "42")):
            message = _asked(gateway, f"/api/lanes/{key}/messages?wait=60", {"text": text})
            assert (message["state"], message["reply"]) == ("done", reply), message
        assert _asked(gateway, "/api/lanes/shell:1/abort", {})["outcome"] == "not_held"
        for route in ("lanes", "status", "providers", "dead-letters", "lanes/shell:1", "lanes/shell:1/why"):
            _asked(gateway, f"/api/{route}")
        assert _asked(gateway, "/openapi.json")["openapi"]
        found = {check["check"]: (check["level"], check["message"]) for check in _asked(gateway, "/api/doctor")}
        assert found["schema"][0] == "ok"
        assert "another lanes was installed under this process" in found["schema"][1]
        assert found["invariants"][0] == "ok"
        assert gateway.terminate() == 0
        assert "Traceback" not in gateway.said()


def test_F872_no_module_is_missing_for_what_a_gateway_loads() -> None:
    """What it may import later is all of lanes but for commands, benchmarks, tests and migrations."""
    import lanes.runners.acp.runner  # noqa: F401 - as where a runner is of this kind
    from lanes.commands.serve import loading

    loading.load()
    for package in ("lanes/server", "lanes/runners", "lanes/engine", "lanes/records", "lanes/dialects"):
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            assert name in sys.modules or name.endswith(".__main__"), name


def test_F884_what_cannot_be_loaded_keeps_nothing_else_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of another version is there while it is installed: what was to be loaded behind its first module was not."""
    from lanes.commands.serve import loading

    package = tmp_path / "half_installed"
    package.mkdir()
    for name, source in (("__init__", ""), ("first", "None.missing"), ("second", "("), ("third", "")):
        (package / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(loading, "PACKAGES", (package.name,))
    loading.load()
    assert f"{package.name}.third" in sys.modules


def test_F884_no_gateway_loads_a_library_that_none_of_its_runners_needs() -> None:
    """That of ACP, where it was installed: 18 MB, and half a second of the processor."""
    script = "import sys; from lanes.commands.serve import loading; {}; loading.load(); print('acp' in sys.modules)"
    for runners, loaded in (("import lanes.runners.build", "False"), ("import lanes.runners.acp.runner", "True")):
        done = subprocess.run(
            [sys.executable, "-c", script.format(runners)], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == loaded


def test_F975_the_tables_of_another_version_are_not_what_a_file_is_compared_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor of a gateway under which a newer one was installed found its file broken, or nothing at all."""
    database = tmp_path / "lanes.db"
    new_store(database).close()
    assert tables.VERSION == versions.VERSION
    monkeypatch.setattr(tables, "VERSION", versions.VERSION + 1)
    monkeypatch.setattr(versions, "creation", lambda: ())
    assert [check.level for check in check_whole(database)] == [Level.OK, Level.OK]


def _asked(gateway: Process, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(gateway.url + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{path}: {error.code} {error.read().decode()}\n{gateway.said()}") from None
