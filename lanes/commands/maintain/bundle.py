"""``lanes bundle FILE``: one archive for a bug report."""

from pathlib import Path

import click

from lanes.base.errors import ConfigError
from lanes.commands.common.session import Session, pass_session


@click.command("bundle", epilog="Example: lanes bundle lanes-bug.zip")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--texts", is_flag=True, help="Include texts, replies and keys; otherwise they are left out.")
@pass_session
def command(session: Session, file: Path, texts: bool) -> None:
    """Write one archive for a bug report.

    Schema, settings without secrets, gateways, counts, the lanes with the greatest harm, dead letters, the journal,
    what the doctor found, and versions. What was said is left out, and keys stand under other names.
    """
    from lanes.commands.maintain.archive import WITH, WITHOUT, write_bundle
    from lanes.commands.output.progress import announce
    from lanes_storage.sqlite import path_of

    announce(session.out, "examining", path_of(session.database()))  # refuses --url: it needs the file itself
    try:
        config = session.config(quietly=True)
    except ConfigError as error:
        session.out.talk(f"without the settings: {error}")
        config = None
    with session.desk() as desk:
        try:
            parts = write_bundle(file, desk, config, texts=texts)
        except FileExistsError:
            raise click.ClickException(f"{file} already exists: name another file") from None
        except OSError as error:
            raise click.ClickException(f"{file} cannot be written: {error.strerror or error}") from error
    session.out.changed = True
    result = {"file": str(file), "bytes": file.stat().st_size, "parts": parts, "texts": texts}
    session.out.result(result, str(file))
    session.out.talk(f"in it: {', '.join(parts)}")
    session.out.talk(WITH if texts else WITHOUT)
    session.out.talk("Names of hosts, users, providers and files are in it: look through it before you give it away.")
