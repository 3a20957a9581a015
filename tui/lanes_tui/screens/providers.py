"""The providers as a table: their health, their requests in flight, whether they answer, why not."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content

from lanes.records import Health, Provider
from lanes.text.spans import span
from lanes_tui.actions.keys import bind
from lanes_tui.actions.system_subjects import ProviderSubject
from lanes_tui.display import text, words
from lanes_tui.display.columns import ViewedAt
from lanes_tui.screens.whole import WholeList
from lanes_tui.tables.fixed import FixedColumn

#: What each state means.
_MEANINGS = {
    Health.COOLING: "it is not asked until its cooldown is over",
    Health.PROBING: "one request at a time finds out whether it answers",
    Health.TRICKLING: "it answers again, and is asked by a few more at a time",
    Health.TRIED_LAST: "it failed recently: other providers are asked before it",
    Health.WELL: "it is asked like any other",
}
#: The worst first.
_BY_HARM = tuple(Health)


class ProvidersScreen(WholeList[str, Provider]):
    """Lists the providers, the worst first, and ends cooldowns."""

    NAME, LANES_BY = "providers", "provider"
    FIELDS = ("provider", "state", "flight", "fail", "cause", "answ")
    about = "state, and counts of the last hour"
    NONE = "no provider is configured here, and none is known in this database"
    HINT = "filter: a name, state:cooling cause:timeout flight:>3"
    BINDINGS: ClassVar[list[BindingType]] = [bind("reset", "reset", show=True)]

    async def read(self) -> None:
        self.read_at, providers = await self.source.providers()
        self.known = {each.name: each for each in sorted(providers, key=_harm)}

    def mark_of(self, key: str) -> str:
        return key

    def columns(self) -> Sequence[FixedColumn]:
        return (
            FixedColumn("PROVIDER", 16 if self.size.width < 140 else 32),
            FixedColumn("STATE", 16),
            *(FixedColumn(name, 6, right=True) for name in ("FLIGHT", "FAIL/H", "ANSW/H")),
            FixedColumn("LATENCY", 7, right=True),
            FixedColumn("CAUSES", 0),
        )

    def cells(self, known: Provider, sight: ViewedAt) -> Mapping[str, Content]:
        look, failures = words.look_of_provider(known, sight.wall), sum(known.failures.values())
        full = known.max_in_flight is not None and known.in_flight >= known.max_in_flight > 0
        return {
            "PROVIDER": text.line((text.in_the_middle(known.name, self.columns()[0].width), "strong")),
            "STATE": text.line(look.label),
            "FLIGHT": text.line((_in_flight(known), "warn" if full else "")),
            "FAIL/H": text.count(failures, "errored"),
            "ANSW/H": text.count(known.answers),
            "LATENCY": text.line("" if known.latency_ms is None else span(known.latency_ms)),
            "CAUSES": text.line((_failures(known), "errored")),
        }

    def facts(self, known: Provider, sight: ViewedAt) -> Mapping[str, str | int]:
        return {
            "provider": known.name,
            "state": words.look_of_provider(known, sight.wall).word,
            "flight": known.in_flight,
            "fail": sum(known.failures.values()),
            "cause": ", ".join(filter(None, (known.cause, *known.failures))),
            "answ": known.answers,
        }

    def legend(self) -> Sequence[Content]:
        looks = words.PROVIDERS.items()
        meanings = (
            text.line((f"{s} {w}".ljust(14), tone), (_MEANINGS[health], "muted")) for health, (s, w, tone) in looks
        )
        flight = "FLIGHT 3/8: 3 requests in flight, of at most 8 (max_requests). FAIL/H and ANSW/H: in the last hour."
        return [text.line(("STATES", "head")), *meanings, text.line((flight, "muted"))]

    def described(self, known: Provider, sight: ViewedAt) -> list[Content]:
        look = words.look_of_provider(known, sight.wall)
        state = text.line(look.label, (_until(known, sight), "muted"))
        load = f"{words.counted(known.in_flight, 'run')} in flight{_at_most(known)}"
        lines = [text.line(("PROVIDER ", "head"), (f"{known.name}  ", "strong"), state), text.line(load)]
        if known.cause is not None:
            lines.append(text.line((f"{known.cause} ", "errored"), text.first_words(known.message)))
        elif known.message:
            lines.append(text.line((text.first_words(known.message), "muted")))
        if known.failures:
            lines.append(text.line(("failures of the last hour: ", "muted"), (_failures(known), "errored")))
        return lines

    def action_reset(self) -> None:
        """Ask, then forget cooldown and failures of the targets."""
        targets = list(self.targets().values())
        if targets:
            self.act(ProviderSubject(targets, self.source.now().wall))


def _harm(provider: Provider) -> tuple[int, int, str]:
    """The worst first: those that are not asked, then those that fail."""
    return _BY_HARM.index(provider.health), -sum(provider.failures.values()), provider.name


def _in_flight(provider: Provider) -> str:
    """The requests in flight, and their limit; no limit for a provider that cools, since that is not asked at all."""
    most = provider.max_in_flight
    limit = "" if most is None or provider.health is Health.COOLING else f"/{words.number(most)}"
    return f"{words.number(provider.in_flight)}{limit}" if provider.in_flight or limit else ""


def _at_most(provider: Provider) -> str:
    most, health = provider.max_in_flight, provider.health
    limit = (
        f" of at most {words.number(most)}" if most is not None and health in (Health.WELL, Health.TRIED_LAST) else ""
    )
    return limit if health is Health.WELL else f"{limit}: {_MEANINGS[health]}"


def _until(provider: Provider, sight: ViewedAt) -> str:
    """Since when and until when the provider is in this state."""
    since = "" if provider.since is None else f"  since {sight.moment(provider.since)}"
    until = provider.until if provider.health is Health.COOLING else provider.tried_last_until
    return since + (
        "" if until is None else f", until {sight.moment(until)}" if since else f"  until {sight.moment(until)}"
    )


def _failures(provider: Provider) -> str:
    """The causes, the most frequent first."""
    failures = sorted(provider.failures.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{words.number(count)} {cause}" for cause, count in failures)
