"""LiteLLM's router in a bad night: each message of a lane is asked once the one before has ended.

Called with the file of the night (``tests.bench.night.played``); says ``ready``, begins with the first line that it is
given, and prints the lane and number of each message whose answer arrived, one a line. An exception that reaches the
caller is a lost message: the router keeps none.

The clocks of this process run as fast as the night does, so that its waits, cooldowns and limits are what they are by
day: most of them cannot be set.
"""

import asyncio
import json
import os
import selectors
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

NIGHT = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
SCALE: float = NIGHT["scale"]
BEGAN, real_time, real_monotonic = (time.time(), time.monotonic()), time.time, time.monotonic
time.time = lambda: BEGAN[0] + SCALE * (real_time() - BEGAN[0])
time.monotonic = lambda: BEGAN[1] + SCALE * (real_monotonic() - BEGAN[1])
os.environ |= {"LITELLM_LOG": "CRITICAL", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # otherwise it fetches prices

from litellm import ContextWindowExceededError, Router  # noqa: E402 - reads its environment at import

#: As many turns as lanes tells by default.
HISTORY = 20


class NightSelector(selectors.DefaultSelector):
    """Waits as much shorter as the clock is faster."""

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout if timeout is None else timeout / SCALE)


def night_loop() -> asyncio.AbstractEventLoop:
    """An event loop on the clock of the night."""
    return asyncio.SelectorEventLoop(NightSelector())


def router() -> Router:
    """The first provider, and the second as its fallback, with one request at a time."""
    every = {"model": "openai/sim-ok", "api_key": "none"}
    return Router(
        model_list=[
            {"model_name": "chat", "litellm_params": every | {"api_base": NIGHT["primary"]}},
            {
                "model_name": "backup",
                "litellm_params": every | {"api_base": NIGHT["backup"], "max_parallel_requests": 1},
            },
        ],
        fallbacks=[{"chat": ["backup"]}],
        num_retries=NIGHT["retries"],
        timeout=600,
    )


async def main() -> None:
    """Live through it."""
    asked, locks = router(), defaultdict[str, asyncio.Lock](asyncio.Lock)
    told = defaultdict[str, list[dict[str, Any]]](list)
    print("ready", flush=True)  # noqa: T201 - the protocol
    await asyncio.to_thread(sys.stdin.readline)
    began = asyncio.get_running_loop().time()

    async def one(at_s: float, key: str, number: int, text: str) -> None:
        await asyncio.sleep(began + at_s - asyncio.get_running_loop().time())
        async with locks[key]:
            said, before = {"role": "user", "content": text}, told[key][-2 * HISTORY :]
            try:
                try:
                    answer = await asked.acompletion(model="chat", messages=[*before, said])
                except ContextWindowExceededError:
                    told[key].clear()
                    answer = await asked.acompletion(model="chat", messages=[said])
            except Exception as error:  # whatever it is, the caller has no answer
                print(f"{key} #{number}: {error}"[:300], file=sys.stderr)  # noqa: T201 - the log
                return
            told[key] += [said, {"role": "assistant", "content": answer.choices[0].message.content}]
            print(key, number, flush=True)  # noqa: T201 - the result

    await asyncio.gather(*(one(*sending) for sending in NIGHT["sendings"]))


with asyncio.Runner(loop_factory=night_loop) as runner:
    runner.run(main())
