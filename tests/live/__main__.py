"""``python -m tests.live [--write] [NAME …]``: try the subjects (all of them, without names)."""

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

from tests.live import subjects
from tests.live.subject import Subject, Unavailable, write

#: What was installed, and the homes of the programs: kept between runs, and never part of the repository.
FOLDER = Path(".live").resolve()


def main(arguments: list[str]) -> int:
    """Returns 1 if something did not work."""
    parser = argparse.ArgumentParser(prog="python -m tests.live")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a subject, or what its name begins with")
    parser.add_argument("--write", action="store_true", help="write the tables into the documents")
    given = parser.parse_args(arguments)
    failed = False
    modules = [module.name for module in pkgutil.iter_modules(subjects.__path__)]
    every: list[Subject] = [importlib.import_module(f"{subjects.__name__}.{name}").SUBJECT for name in modules]
    for name in given.names:
        if not any(f"{subject.name}-".startswith(f"{name}-") for subject in every):
            parser.error(f"no subject is called {name}; there are {', '.join(subject.name for subject in every)}")
    for subject in every:
        if given.names and not any(f"{subject.name}-".startswith(f"{name}-") for name in given.names):
            continue
        try:
            table = subject.run(FOLDER, say)
        except Unavailable as why:
            say(f"{subject.name}: skipped, since {why}")
            continue
        say(table.text())
        failed = failed or table.failed
        if given.write:
            write(subject.name, subject.document, table)
    return int(failed)


def say(line: str) -> None:
    """Print at once: a run takes minutes."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
