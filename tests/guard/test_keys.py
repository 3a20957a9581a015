"""Whose key goes where, and that no key, token, body or reply is stored or logged."""

import json
import logging
import sqlite3
from contextlib import closing
from typing import Any

import httpx
import pytest

from lanes.base.errors import ConfigError
from lanes.config import from_data
from tests.guard.conftest import TOKEN, Guard, Guarded
from tests.guard.mirror import mirror

SECRET = "sk-secret-marker-4711"
BODY = {"model": "m", "messages": [{"role": "user", "content": "private-marker-0815"}], "tools": [
    {"type": "function", "function": {"name": "read_file", "parameters": {}}}]}  # fmt: skip


async def ask(guarded: Guarded, url: str, query: str = "", **headers: str) -> httpx.Response:
    return await guarded.client.post(f"{url}/chat/completions{query}", json=BODY, headers=headers)


async def test_F292_a_client_sends_its_own_key(guard: Guard) -> None:
    async with mirror() as seen:
        guarded = await guard(seen.url)
        await ask(guarded, guarded.base, authorization=f"Bearer {SECRET}")
        await ask(guarded, f"{guarded.url}/v1", authorization=f"Bearer {SECRET}", **{"x-lanes-token": TOKEN})
        await ask(guarded, f"{guarded.url}/v1", authorization=f"Bearer {TOKEN}", **{"x-api-key": SECRET})
    sent = [dict(asked.headers) for asked in seen.requests]
    assert [each.get("authorization") for each in sent] == [f"Bearer {SECRET}", f"Bearer {SECRET}", None]
    assert sent[2]["x-api-key"] == SECRET
    assert not any(TOKEN in asked.raw for asked in seen.requests)


@pytest.mark.parametrize(("route", "header"), [("chat/completions", "authorization"), ("messages", "x-api-key")])
async def test_F292_the_key_of_lanes_replaces_that_of_a_client(guard: Guard, route: str, header: str) -> None:
    async with mirror() as seen:
        guarded = await guard(seen.url, provider={"api_key_env": "KEY"}, client_key=False)
        headers = {"authorization": f"Bearer {SECRET}", "x-api-key": SECRET, "api-key": SECRET}
        await guarded.client.post(f"{guarded.base}/{route}", json=BODY, headers=headers)
        others = [
            (await guarded.client.get(f"{guarded.base}/{path}", headers=headers)).status_code
            for path in ("files", "models/..%2f..%2ffiles", "models/%2e%2e%2ffiles", "../files")
        ]
    assert set(others) == {404}, "a key of lanes is for models alone"
    (asked,) = seen.requests
    assert SECRET not in asked.raw
    assert dict(asked.headers)[header].endswith("sk-of-lanes-itself")


OF_THE_ACCOUNT = [
    ("DELETE", "models/m"),
    ("POST", "models"),
    ("GET", "chat/completions"),
    ("GET", "chat/completions/c_1"),
    ("DELETE", "responses/r_1"),
    ("GET", "responses/r_1"),
    ("POST", "responses/r_1/cancel"),
    ("GET", "messages/batches"),
    ("POST", "messages/batches"),
    ("PUT", "embeddings"),
]


async def test_F422_the_key_of_lanes_is_not_for_what_concerns_its_account(guard: Guard) -> None:
    async with mirror() as seen:
        guarded = await guard(seen.url, provider={"api_key_env": "KEY"}, client_key=False)
        refused = [
            (await guarded.client.request(m, f"{guarded.base}/{path}")).status_code for m, path in OF_THE_ACCOUNT
        ]
        assert (set(refused), seen.requests) == ({404}, [])
        for method, path in (("GET", "models/m"), ("HEAD", "models"), ("POST", "messages/count_tokens")):
            assert (await guarded.client.request(method, f"{guarded.base}/{path}")).status_code == 200


async def test_F422_no_key_of_a_client_passes_beside_the_key_of_lanes(guard: Guard) -> None:
    async with mirror() as seen:
        guarded = await guard(seen.url, provider={"api_key_env": "KEY"}, client_key=False)
        await ask(guarded, guarded.base, **{"x-goog-api-key": SECRET, "cookie": f"session={SECRET}"})
    assert SECRET not in seen.requests[0].raw


async def test_F464_no_key_in_the_query_of_a_client_passes_beside_the_key_of_lanes(guard: Guard) -> None:
    async with mirror() as seen:
        guarded = await guard(seen.url, provider={"api_key_env": "KEY"}, client_key=False)
        for name in ("key", "api-key", "access_token", "%6Bey"):
            await guarded.client.get(f"{guarded.base}/models?beta=true&{name}={SECRET}&pageToken=2")
    assert {request.target for request in seen.requests} == {"/v1/models?beta=true&pageToken=2"}


async def test_F421_no_path_leads_to_another_host(guard: Guard) -> None:
    async with mirror() as seen, mirror() as other:
        guarded = await guard(seen.url.removesuffix("/v1"))
        elsewhere = other.url.removeprefix("http://").removesuffix("/v1")
        for path in (f"/v1@{elsewhere}/x", f"/v1:x@{elsewhere}/x", "/v1.localhost/x"):
            headers = {"authorization": f"Bearer {SECRET}"}
            await guarded.client.get(f"{guarded.url}/g/bot/{TOKEN}{path}", headers=headers)
            assert seen.requests[-1].target == path
    assert other.requests == []


async def test_F292_a_redirect_is_not_followed(guard: Guard) -> None:
    async with mirror(status=307) as seen:
        guarded = await guard(seen.url)
        answer = await ask(guarded, guarded.base, authorization=f"Bearer {SECRET}")
    assert (answer.status_code, len(seen.requests)) == (307, 1)


async def test_F292_what_happens_under_a_clients_key_cools_nothing(guard: Guard) -> None:
    async with mirror(status=429, body=b'{"error":{"code":"insufficient_quota"}}') as seen:
        guarded = await guard(seen.url)
        await ask(guarded, guarded.base)
        assert (await guarded.desk.status()).cooldowns == ()
        await ask(guarded, guarded.base)
        assert len(seen.requests) == 2


SOURCE = {"name": "s", "provider": "p", "token_env": "T"}
PROVIDER = {"name": "p", "base_url": "https://h/v1"}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"runner": [{"name": "r", "kind": "provider", "providers": ["p"]}]}, "the keys of its clients"),
    ({"provider": [PROVIDER | {"api_key": "sk-written"}]}, "never written"),
    ({"provider": [PROVIDER | {"api_key": "client", "api_key_env": "K"}]}, "contradicts"),
    ({"source": [{"name": "s", "provider": "p"}]}, "no token"),
    ({"source": [SOURCE | {"provider": "q"}]}, "unknown name"),
    ({"source": [SOURCE | {"name": "A b"}]}, "cannot be part of an address"),
    ({"source": [SOURCE | {"session_from": ["header:x-session-affinity"]}]}, "the same for many"),
    ({"source": [SOURCE | {"session_from": ["promt_cache_key"]}]}, "did you mean"),
    ({"source": [SOURCE, SOURCE | {"name": "other"}]}, "used elsewhere"),
    ({"source": [SOURCE | {"idle_timeout": "2m", "stall_timeout": "1m"}]}, "below stall_timeout"),
]


@pytest.mark.parametrize(("changed", "words"), REFUSED)
def test_F292_a_configuration_that_would_carry_a_key_elsewhere_is_refused(changed: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        from_data({"provider": [PROVIDER | {"api_key": "client"}], **changed}, env={"T": "t" * 20})
    assert "sk-written" not in str(refused.value)


async def test_F292_the_token_of_a_source_is_for_models_alone(guard: Guard) -> None:
    async with mirror() as seen:
        guarded = await guard(seen.url, gateway={"token_env": "TOKEN"})
        token = {"authorization": f"Bearer {TOKEN}"}
        assert (await guarded.client.get(f"{guarded.url}/api/lanes", headers=token)).status_code == 401
        assert (
            await guarded.client.get(f"{guarded.url}/api/lanes", headers={"x-lanes-token": TOKEN})
        ).status_code == 401
        assert (await guarded.client.get(f"{guarded.url}/v1/models", headers=token)).headers["x-from"]
        for wrong in ("bot/wrong", "other/" + TOKEN, "bot/", "bot"):
            answer = await guarded.client.post(f"{guarded.url}/g/{wrong}/v1/responses", json={"input": "x"})
            assert answer.status_code == 401
        theirs = {"x-lanes-token": "token-of-the-gateway"}
        assert (await guarded.client.get(f"{guarded.url}/api/lanes", headers=theirs)).status_code == 200
        assert len(seen.requests) == 1


async def test_F292_nothing_of_a_request_or_an_answer_is_kept(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = (
        b'data: {"choices":[{"delta":{"content":"reply-marker-1234"}}],"usage":{"total_tokens":5}}\n\ndata: [DONE]\n\n'
    )
    named = {"authorization": f"Bearer {SECRET}", "x-api-key": SECRET, "api-key": SECRET, "x-lanes-session": "s"}
    query = f"?key={SECRET}"
    refusal = b'{"error":{"message":"private-marker-0815"}}'
    async with mirror(pieces=[said]) as seen:
        guarded = await guard(seen.url)
        assert "reply-marker" in (await ask(guarded, guarded.base, query, **named)).text
        seen.pieces, seen.status, seen.body = None, 400, refusal
        assert (await ask(guarded, guarded.base, query, **named)).status_code == 400
        await guarded.client.get(f"{guarded.url}/g/bot/{TOKEN}/v1/nonsense?{SECRET}", headers=named)
        (failed, done) = sorted(await guarded.messages(), key=lambda message: str(message["state"]), reverse=True)
        assert (failed["error"]["attempts"][0]["cause"], done["state"]) == ("bad_request", "done")
        stored = guarded.path.read_bytes() + guarded.path.with_name("lanes.db-wal").read_bytes()
    for secret in (SECRET, "private-marker", "reply-marker", TOKEN):
        assert secret.encode() not in stored, secret
        logged = [each.getMessage() for each in caplog.records if not each.name.startswith("http")]  # the test's own
        assert not [line for line in logged if secret in line]
    with closing(sqlite3.connect(guarded.path)) as database:
        ((request, source),) = database.execute("SELECT request, source FROM messages WHERE state = 'done'")
    outline = json.loads(request)["lanes_outline"]
    assert (outline["model"], outline["tools"], source) == ("m", ["read_file"], "bot")
    assert outline["bytes"] > 100


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("place", ["authorization", "x-api-key", "cookie", "x-vendor-auth", "?key", "?access_token"])
async def test_F424_F464_an_answer_that_repeats_a_key_or_a_text_leaves_none_of_it(
    guard: Guard, place: str, streamed: bool
) -> None:
    query, named = "", {"x-lanes-session": "s"}
    if place.startswith("?"):
        query = f"{place}={SECRET}"
    else:
        named[place] = f"Bearer {SECRET}"
    usage = {
        "prompt_tokens": 3,
        "note": "private-marker-0815 " * 1_000,
        SECRET: 1,
        "prompt_tokens_details": {SECRET: 1},
    }
    told = json.dumps({"model": f"M-{SECRET}", "usage": usage, "choices": [{}]}).encode()
    refusal = json.dumps({"error": {"code": SECRET, "type": SECRET[:14], "message": SECRET}}).encode()
    async with mirror(body=told) as seen:
        guarded = await guard(seen.url)
        seen.pieces = [b"data: " + told + b"\n\ndata: [DONE]\n\n"] if streamed else None
        assert SECRET in (await ask(guarded, guarded.base, query, **named)).text
        seen.pieces = [b"data: " + refusal + b"\n\ndata: [DONE]\n\n"] if streamed else None
        seen.status, seen.body = 400, refusal
        assert SECRET in (await ask(guarded, guarded.base, query, **named)).text
        done, failed = await guarded.messages()
        stored = guarded.path.read_bytes() + guarded.path.with_name("lanes.db-wal").read_bytes()
    assert (done["state"], done["model"], done["usage"]["prompt_tokens"]) == ("done", "M-***", 3)
    assert failed["state"] == "failed"
    for secret in (SECRET[:14], SECRET[-14:], "private-marker"):
        assert secret.encode() not in stored, secret


async def test_F292_a_request_never_runs_again(guard: Guard) -> None:
    async with mirror(status=500) as seen:
        guarded = await guard(seen.url)
        await ask(guarded, guarded.base, **{"x-lanes-session": "s"})
        (failed,) = await guarded.messages()
        retried = await guarded.client.post(f"{guarded.url}/api/messages/{failed['id']}/retry", json={})
        assert (retried.status_code, len(seen.requests)) == (422, 1)
        assert "its content was not stored" in retried.text
        again = await guarded.client.get(f"{guarded.url}/v1/models")
        assert "bot" not in [each["id"] for each in again.json()["data"]]


async def test_F292_a_policy_that_retries_does_not_mean_what_is_passed_on(guard: Guard) -> None:
    retry = {"attempts": 3, "backoff": "100ms", "causes": ["server_error", "provider_failed"]}
    async with mirror(status=500) as seen:
        guarded = await guard(seen.url, policy=[{"match": "*", "retry": retry}])
        answer = await ask(guarded, guarded.base, **{"x-lanes-session": "s"})
        assert (answer.status_code, len(seen.requests)) == (500, 1)
        assert [message["state"] for message in await guarded.messages()] == ["failed"]
