"""Why a lane is where it is, in words."""
