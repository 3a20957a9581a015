"""Programs of other people that some tests talk through. Where one is missing those tests are skipped, with a word:
nothing but Python and make has to be on a machine for the rest."""

import shutil

import pytest


def missing(*tools: str) -> list[str]:
    """Those that this machine lacks."""
    return [tool for tool in tools if shutil.which(tool) is None]


def needs(*tools: str) -> pytest.MarkDecorator:
    """Skips a test where one of these is missing."""
    return pytest.mark.skipif(bool(missing(*tools)), reason=f"this machine lacks {', '.join(missing(*tools))}")
