"""Verbs about a whole database: one pass of the reconciler, and the checks of the doctor."""

from collections.abc import Callable
from typing import Annotated

from lanes.base.procedure import Blocking, Effect
from lanes.context import Context
from lanes.records import Check, Finding
from lanes.verbs.kinds import ANY, ONLY_PYTHON, Flag
from lanes.verbs.verb import verb
from lanes_storage.interface import Store


def _unreported(_: str) -> None:
    """Ignore the progress of a long pass."""


@verb(
    "POST /api/reconcile",
    result=list[Finding],
    slow=True,
    examples=(
        "lanes reconcile --dry-run     each decision with its evidence",
        "lanes reconcile --wait        watch silent owners first, then act",
        "lanes reconcile --watch       go on, as a gateway does, until Ctrl-C",
    ),
)
def reconcile(
    ctx: Context,
    *,
    dry_run: Annotated[Flag, "Print every decision and its evidence, and change nothing."] = False,
    wait: Annotated[bool, ANY, ONLY_PYTHON] = False,
    each_pass: Annotated[Callable[[list[Finding]], bool] | None, ANY, ONLY_PYTHON] = None,
    report: Annotated[Callable[[str], None], ANY, ONLY_PYTHON] = _unreported,
) -> Effect[list[Finding]]:
    """Take back lanes whose owner is provably gone.

    This is one pass of the reconciler, with the evidence of each decision. An owner that is only silent is listed, and
    judged only after --wait has watched it for long enough. Each gateway does the same continuously; use this when no
    gateway is alive.
    """

    def work(store: Store) -> list[Finding]:
        from lanes.engine.reconcile.outside import reconcile_on, reconcile_once

        if each_pass is None:
            return reconcile_once(store, ctx, report, dry_run=dry_run, wait=wait)
        reconcile_on(store, ctx, report, each_pass)
        return []

    return Blocking(work)


@verb(
    "GET /api/doctor",
    result=list[Check],
    slow=True,
    examples=(
        "lanes doctor",
        "lanes doctor --json | jq '.[] | select(.level != \"ok\")'",
    ),
)
def doctor(
    ctx: Context, *, progress: Annotated[Callable[[int, int], None] | None, ANY, ONLY_PYTHON] = None
) -> Effect[list[Check]]:
    """Check for problems, and say how to fix them. Changes nothing.

    The invariants, the file, its disk and permissions, the owners and their configurations, clocks, the port.

    Exit code 1 only for a broken invariant, or a file that is damaged or lies on a network file system; the rest
    are warnings.
    """

    def work(store: Store) -> list[Check]:
        from lanes.doctor import examine
        from lanes_storage.sqlite import path_of

        return examine(path_of(store.name), ctx, progress or (lambda _, __: None))

    return Blocking(work)
