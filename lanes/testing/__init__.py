"""What lanes is tested with, for tests of programs that embed it. Nothing else of lanes imports it."""

from lanes.testing.invariants import broken

__all__ = ["broken"]
