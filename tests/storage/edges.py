"""The edges by name, for tests that hold for several."""

from lanes_storage.records import Release, Ticket
from tests.kit.world import World


def by_the_run(world: World, edge: str, ticket: Ticket) -> Release:
    """Let a run end itself by ``edge``: complete, fail or park."""
    match edge:
        case "complete":
            return world.complete(ticket)
        case "fail":
            return world.fail(ticket)
        case "park":
            return world.park(ticket)
    raise AssertionError(edge)
