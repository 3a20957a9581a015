"""The OpenAPI document is one, and tells of every route what it answers."""

import json
import re
import subprocess
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

from lanes.server.routes.table import ROUTES
from tests.server.conftest import Served


async def test_it_is_valid_and_whole(served: Served) -> None:
    document = (await served.client.get("/openapi.json")).json()
    OpenAPIV31SpecValidator(document).validate()
    for route in ROUTES:
        operation = document["paths"][route.path][route.method.lower()]
        in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", route.path))
        assert {p["name"] for p in operation["parameters"] if p["in"] == "query"} == route.names
        assert operation["summary"]
        assert ("requestBody" in operation) == (route.method == "POST")
        assert [status for status in operation["responses"] if status < "300"]
        assert "400" in operation["responses"]
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(ids)) == len(ROUTES)


def test_no_answer_is_409() -> None:
    """Clients repeat it by themselves."""
    assert not any(409 in route.problems for route in ROUTES)


def test_F741_a_python_without_docstrings_leaves_out_the_summaries_alone() -> None:
    """``python -OO``, or PYTHONOPTIMIZE=2 in a container."""
    asked = (
        "import json; from lanes.server.routes import openapi as o, table; print(json.dumps(o.document(table.ROUTES)))"
    )
    whole, stripped = (
        json.loads(subprocess.run([sys.executable, *how, "-c", asked], check=True, capture_output=True).stdout)
        for how in ([], ["-OO"])
    )
    for document in (whole, stripped):
        for methods in document["paths"].values():
            for operation in methods.values():
                del operation["summary"]
    assert whole == stripped
