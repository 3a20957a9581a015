"""How sentences name groups of lanes, and the commands that they advise."""

from typing import TYPE_CHECKING

from lanes.base.terminal import clean

if TYPE_CHECKING:
    from lanes_storage.records import RunRow


def all_lanes(glob: str) -> str:
    """``all lanes``, or ``all lanes that fit agent:*``."""
    return "all lanes" if glob == "*" else f"all lanes that fit {clean(glob)}"


def resume_command(glob: str) -> str:
    """The command that ends the pause of a glob."""
    return "lanes resume --all" if glob == "*" else f"lanes resume --match {as_typed(glob, 'GLOB')}"


def on_lane(verb: str, key: str, *options: str) -> str:
    """A command on one lane: ``lanes why agent:42``."""
    typed = as_typed(key, "KEY")
    return " ".join(["lanes", verb, *options, "--", typed] if key.startswith("-") else ["lanes", verb, typed, *options])


def abort_command(run: "RunRow") -> str:
    """The command that aborts this run, but no other that the lane may have started meanwhile."""
    return on_lane("abort", run.key, f"--epoch {run.epoch}")


def as_typed(text: str, place: str) -> str:
    """A key or a glob, quoted for a shell; the placeholder ``place`` if it could not be shown unescaped."""
    if clean(text) != text:
        return place
    from shlex import quote

    return quote(text)
