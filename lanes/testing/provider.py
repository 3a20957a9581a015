"""Judges a campaign by the log of the simulated provider, independently of what lanes records."""

import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from lanes.testing.history import History

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a run; times are of the machine's monotonic clock. ``end_ns`` None: it never ended."""

    key: str
    run: int
    text: str
    start_ns: int
    end_ns: int | None
    finished: bool

    @property
    def number(self) -> int:
        """The first number in the text, which numbers the messages of a lane in a campaign."""
        found = _NUMBER.search(self.text)
        return int(found[0]) if found else 0


def read_provider(
    log: Path, cut_runs: Collection[int] = (), *, which: Callable[[Asked], bool] = lambda _: True
) -> History:
    """Judge the log of ``lanes simulate provider --log``; the providers must be asked with ``trace = true``.

    The text of each message must hold a number that rises within its lane. In each lane, no run may ask while another
    one still does, no message may be asked for after a newer one, and none may get two complete answers. For
    ``cut_runs`` (``History.cut_runs``) only the order is judged: the requests of a dead process end when the provider
    notices. ``which``: selects the requests to judge, where a log has those of several databases.
    """
    lanes: defaultdict[str, list[Asked]] = defaultdict(list)
    for request in read_requests(log):
        if which(request):
            lanes[request.key].append(request)
    history = History()
    for key, requests in lanes.items():
        requests.sort(key=lambda request: request.start_ns)
        _judge_order(key, requests, history)
        _judge_overlaps(key, [request for request in requests if request.run not in cut_runs], history)
        _judge_answers(
            key, [request for request in requests if request.finished and request.run not in cut_runs], history
        )
    history.messages = sum(len({request.text for request in requests}) for requests in lanes.values())
    return history


def read_requests(log: Path) -> Iterable[Asked]:
    """The requests of runs in such a log. Of several lines about a request, the last one counts."""
    newest: dict[tuple[str, int], dict[str, object]] = {}
    with contextlib.suppress(FileNotFoundError), log.open(encoding="utf-8") as lines:
        for line in lines:
            with contextlib.suppress(json.JSONDecodeError):  # the last one may be half written
                seen = json.loads(line)
                newest[seen["server"], seen["sequence"]] = seen
    for seen in newest.values():
        if seen["key"] is not None and seen["run"] is not None:
            yield Asked(
                str(seen["key"]),
                int(str(seen["run"])),
                str(seen["text"]),
                int(str(seen["started_ns"])),
                None if seen["ended_ns"] is None else int(str(seen["ended_ns"])),
                seen["outcome"] == "finished",
            )


def _judge_order(key: str, requests: list[Asked], history: History) -> None:
    newest = 0
    for request in requests:
        if request.number < newest:
            history.out_of_order.append(f"lane {key!r}: the provider was asked {request.text!r} after number {newest}")
        newest = max(newest, request.number)


def _judge_overlaps(key: str, requests: list[Asked], history: History) -> None:
    until, run = 0, 0
    for request in requests:
        if request.start_ns < until and request.run != run:
            history.overlaps.append(f"lane {key!r}: run {request.run} asked the provider while run {run} still did")
        if request.end_ns is not None and request.end_ns > until:
            until, run = request.end_ns, request.run


def _judge_answers(key: str, finished: list[Asked], history: History) -> None:
    runs: defaultdict[str, set[int]] = defaultdict(set)
    for request in finished:
        runs[request.text].add(request.run)
    history.duplicated += [
        f"lane {key!r}: the provider answered {text!r} to runs {sorted(of)}" for text, of in runs.items() if len(of) > 1
    ]
