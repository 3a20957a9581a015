"""``lanes bench``: the benchmarks, with ratios."""

from pathlib import Path

import click

from lanes.commands.common.session import Session, pass_session


@click.command(
    "bench",
    epilog="""\b
    Examples:
      lanes bench --quick                      a first impression, in two minutes
      lanes bench --only cycles --only abort   some of the rows
    """,
)
@click.option("--only", multiple=True, metavar="ROW", help="Only rows whose name begins with this; may be repeated.")
@click.option("--quick", is_flag=True, help="Fewer rounds on smaller databases: the figures are rough.")
@click.option("--list", "listing", is_flag=True, help="List the rows with their targets, and measure nothing.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False, writable=True),
    help="The folder for the databases, on the disk to measure. [default: the current folder]",
)
@pass_session
def command(session: Session, only: tuple[str, ...], quick: bool, listing: bool, folder: Path | None) -> None:
    """Measure lanes on this machine.

    Every row is measured beside something plain, five times, and shown as a ratio. It takes about a quarter
    of an hour and 2 GB of disk, and does not touch your data.
    """
    from lanes.bench import measuring, report
    from lanes.bench.groups import ROWS
    from lanes.bench.kit import work

    rows = measuring.chosen(ROWS, only)
    if not rows:
        raise click.UsageError("no row has this name; --list shows them")
    out = session.out
    if listing:
        for row in rows:
            out.line(report.named(row))
        return
    size = work.QUICK if quick else work.FULL
    print_line = out.talk if out.json else out.line
    machine, results = measuring.bench(rows, size, folder or Path.cwd(), print_line)
    if out.json:
        out.data(report.form(machine, results))
