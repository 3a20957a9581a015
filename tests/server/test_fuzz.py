"""Whatever is asked, the gateway answers as its OpenAPI document says, and never with a fault of its own."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from lanes.server.routes.openapi import document
from lanes.server.routes.table import ROUTES
from tests.kit.processes import House, Process, house
from tests.kit.simulated import simulated

DOCUMENT = document(ROUTES)
#: What would end the talk: a drain of the gateway, a pause of every lane, and a stream that does not end.
LEFT_OUT = {("post", "/api/drain"), ("post", "/api/pause")}
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if (method, path) not in LEFT_OUT
]
CONFIG = """
[gateway]
max_body_bytes = 4096
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("fuzz")) as one:
        one.config.write_text(CONFIG + simulated(one.provider(50)))
        yield one


@pytest.fixture(scope="module")
def gateway(made: House) -> Process:
    return made.gateway()


@pytest.fixture(scope="module")
def client(gateway: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=60, verify=False) as one:
        yield one


words = st.text(max_size=20) | st.sampled_from(
    ["a", "b", "100%", "../..", "\x00", "\x1b[2J", "\u202e", "' OR 1=1", "*"]
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema allows."""
    if "anyOf" in schema:
        return st.one_of([fitting(one) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return st.one_of([_of(kind, schema) for kind in kinds])


def _of(kind: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    match kind:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema.get("minimum", 0), schema.get("maximum", 2**70))
        case "number":
            return st.sampled_from([0, 0.01, 0.2])  # a wait, which is not to take long
        case "array":
            return st.lists(fitting(schema["items"]), max_size=3)
        case "object":
            fields = {name: fitting(one) for name, one in schema.get("properties", {}).items()}
            required = {name: fields.pop(name) for name in schema.get("required", ()) if name in fields}
            return st.fixed_dictionaries(required, optional=fields)
        case _:
            if "pattern" in schema:
                return st.from_regex(schema["pattern"], fullmatch=True, alphabet=st.characters(codec="ascii"))
            return words.filter(lambda word: schema.get("minLength", 0) <= len(word))


def value(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Mostly what is allowed."""
    return st.one_of(fitting(schema), fitting(schema), fitting(schema), junk)


@st.composite
def requests(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A request, and the operation that it is for."""
    method, path, operation = draw(st.sampled_from(OPERATIONS))
    query, headers = [], {"Accept": "application/json"}
    for parameter in operation["parameters"]:
        name, schema = parameter["name"], parameter["schema"]
        if parameter["in"] == "path":
            given = draw(
                st.sampled_from(["1", "2", "999"]) | words.filter(bool) if name == "id" else words.filter(bool)
            )
            path = path.replace(f"{{{name}}}", quote(given, safe=""))
        elif parameter.get("required") or draw(st.integers(0, 3)) == 0:
            given = draw(value(schema))
            if parameter["in"] == "header":
                headers[name] = str(given).encode("ascii", "ignore").decode().translate({10: 32, 13: 32, 0: 32}).strip()
            else:
                query += [(name, str(one)) for one in (given if isinstance(given, list) else [given])]
    request: dict[str, Any] = {"method": method.upper(), "url": f"{path}?{urlencode(query)}" if query else path}
    body = operation.get("requestBody")
    if body is not None:
        headers["Content-Type"] = "application/json"
        request["json"] = draw(value(body["content"]["application/json"]["schema"]))
    request["headers"] = {name: one for name, one in headers.items() if one.isprintable()}
    return request, operation


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(asked=requests())
def test_it_answers_as_its_document_says(client: httpx.Client, asked: tuple[dict[str, Any], dict[str, Any]]) -> None:
    request, operation = asked
    answer = client.request(**request)
    assert answer.status_code < 500, (request, answer.text)
    if answer.status_code == 404 and answer.json().get("code") == "no_route":
        return  # a key such as ".." is another path to the client
    said = operation["responses"][str(answer.status_code)]["content"]
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in said, (request, answer.text)
    if kind.endswith("json"):
        schema = said[kind]["schema"] | {"components": DOCUMENT["components"]}
        wrong = [error.message for error in Draft202012Validator(schema).iter_errors(answer.json())]
        assert not wrong, (request, answer.text)


def test_it_said_nothing_of_a_fault(client: httpx.Client, gateway: Process) -> None:
    """After all of that. The test before it has asked the same process."""
    assert client.get("/healthz").status_code == 200
    assert "Traceback" not in gateway.said()
    assert gateway.popen.poll() is None
