"""Which source a request belongs to: by the token in its path, or by one in its headers under ``/v1``."""

import hmac
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlencode

from lanes.config.declared.model import SourceConfig
from lanes.dialects.dialect import Dialect
from lanes.dialects.table import DIALECTS
from lanes.server.asgi.errors import HttpProblem
from lanes.server.asgi.guard import request_token

#: ``/g/NAME/TOKEN``, and what follows.
_IN_PATH = re.compile(r"/g/(?P<name>[^/]+)/(?P<token>[^/]*)(?P<rest>/.*|)", re.DOTALL)
IN_PATH = "/g/"
BASE = "/v1"
#: The requests that a program may make with the key of lanes: they concern models, and nothing else of the account.
_OF_MODELS = re.compile(
    r"(GET|HEAD) (/?|/v1/models(/[^/]+)?)"
    r"|POST /v1/(embeddings|completions|chat/completions|responses(/compact|/input_tokens)?|messages(/count_tokens)?)"
)
#: The paths of requests that ask a model: these are runs.
_RUNS = {f"/v1/{dialect.route}": dialect for dialect in DIALECTS.values()}


class SourcePlace(NamedTuple):
    """A source, and the path below it. ``carried``: the headers that carried its token, which are not for the
    provider."""

    source: SourceConfig
    path: str
    carried: tuple[str, ...] = ()

    def dialect(self, method: str) -> Dialect | None:
        """The dialect of a request for an answer of a model; None for any other request."""
        return _RUNS.get(self.path) if method == "POST" else None

    def check(self, method: str) -> None:
        """Refuse a request that does not concern models, if the provider is asked with the key of lanes. Raises
        HttpProblem."""
        climbs = ".." in unquote(self.path)  # some servers would follow that
        of_models = _OF_MODELS.fullmatch(f"{method} {self.path}") and not climbs
        if not (self.source.provider.clients_key or of_models):
            raise HttpProblem(404, "no_route", "a source passes on requests for models only")

    def url(self, query: str) -> str:
        """Where the request goes."""
        base = self.source.provider.base_url
        path = self.path
        if path == BASE or path.startswith(f"{BASE}/"):  # without a slash, the rest would change the host
            path = path.removeprefix(BASE)
        else:  # not below /v1, such as a probe of the root
            base = base.removesuffix(BASE)
        more = "&".join(part for part in (query, urlencode(self.source.provider.query)) if part)
        return f"{base}{path}" + (f"?{more}" if more else "")


def place_of(sources: Mapping[str, SourceConfig], raw_path: str, headers: Mapping[str, str]) -> SourcePlace | None:
    """The place of a request; None if it belongs to no source. Raises HttpProblem for a wrong token."""
    if raw_path.startswith(IN_PATH):
        found = _IN_PATH.fullmatch(raw_path)
        source = sources.get(found["name"]) if found else None
        token = source.token if source else None
        right = hmac.compare_digest(found["token"].encode("latin-1") if found else b"", (token or "").encode())
        if found is None or source is None or not token or not right:
            raise HttpProblem(401, "token", "there is no source of that name, or its token is another")
        return SourcePlace(source, found["rest"])
    if raw_path != BASE and not raw_path.startswith(f"{BASE}/"):
        return None
    carried = request_token(headers)
    for source in sources.values() if carried else ():
        assert carried is not None
        if source.token is not None and hmac.compare_digest(carried[1].encode("latin-1"), source.token.encode()):
            return SourcePlace(source, raw_path, (carried[0],))
    return None


def shown_path(path: str) -> str:
    """A path without the token in it."""
    found = _IN_PATH.fullmatch(path)
    return f"{IN_PATH}{found['name']}/***{found['rest']}" if found else path


def below(path: str) -> str:
    """The path below a source."""
    found = _IN_PATH.fullmatch(path)
    return found["rest"] if found else path
