"""The driver of a gateway elsewhere, over HTTP: the same forms and errors as on a file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lanes.commands.common.client import PATIENCE_S, GatewayClient
from lanes.errors import LanesError
from lanes.verbs.kinds import ONLY_PYTHON
from lanes.verbs.verb import Verb

#: For what goes over the whole database, and takes its time.
LONG_S = 120.0


class Asked(NamedTuple):
    """A request: everything but whom it is sent to."""

    method: str
    path: str
    query: dict[str, Any]
    body: dict[str, Any]


def asked(verb: Verb[..., Any], params: Mapping[str, Any]) -> Asked:
    """The request that calls a verb. Who asks, and the policies, are for the gateway to say."""
    given = {verb.by_name[name]: value for name, value in params.items()}
    said = {param.wire: param.show(value) for param, value in given.items() if value is not None}
    local = [param.wire for param in given if param.given is ONLY_PYTHON and param.wire in said]
    if local:
        raise TypeError(f"{verb.name}: {local[0]} is not for a gateway elsewhere")
    path, query = verb.path, {}
    if "/lanes/{key}" in path:  # a key may hold what proxies do not keep in a path
        path, query = path.replace("/lanes/{key}", "/lane"), {"key": said.pop("key")}
    for name in [name for name in said if f"{{{name}}}" in path]:
        path = path.replace(f"{{{name}}}", said.pop(name))
    return Asked(verb.method, path, query, said) if verb.changes else Asked(verb.method, path, query | said, {})


class RemoteDriver:
    """Implements ``Driver``."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client

    @property
    def name(self) -> str:
        return self._client.url

    def call(self, verb: Verb[..., Any], /, **params: Any) -> Any:
        request = asked(verb, params)
        patience_s = LONG_S if verb.slow else PATIENCE_S
        if verb.changes:
            return self._client.post(request.path, request.body, request.query, patience_s=patience_s)
        return self._client.get(request.path, request.query, patience_s=patience_s)

    def call_each(
        self, verb: Verb[..., Any], params: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[int, Any | LanesError]]:
        for place, each in enumerate(params):
            try:
                yield place, self.call(verb, **each)
            except LanesError as error:
                yield place, error

    def close(self) -> None:
        self._client.close()
