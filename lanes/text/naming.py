"""How sentences name lanes as a whole, and the commands that end what they describe."""

from typing import TYPE_CHECKING

from lanes.base.terminal import clean

if TYPE_CHECKING:
    from lanes_storage.records import RunRow


def all_lanes(glob: str) -> str:
    """``all lanes``, or ``all lanes that fit agent:*``."""
    return "all lanes" if glob == "*" else f"all lanes that fit {clean(glob)}"


def resume_command(glob: str) -> str:
    """What ends the pause of a glob."""
    return "lanes resume --all" if glob == "*" else f"lanes resume --match {as_typed(glob, 'GLOB')}"


def on_lane(verb: str, key: str, *options: str) -> str:
    """The command that does this to a lane: ``lanes why agent:42``."""
    typed = as_typed(key, "KEY")
    return " ".join(["lanes", verb, *options, "--", typed] if key.startswith("-") else ["lanes", verb, typed, *options])


def abort_command(run: "RunRow") -> str:
    """What ends this run, and no other that the lane may have begun meanwhile."""
    return on_lane("abort", run.key, f"--epoch {run.epoch}")


def as_typed(text: str, place: str) -> str:
    """A key or a glob as it is typed in a shell; what cannot be shown as it is, is left to the reader."""
    if clean(text) != text:
        return place
    from shlex import quote

    return quote(text)
