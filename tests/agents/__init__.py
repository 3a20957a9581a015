"""Programs as runners: real processes that speak what the agents of the field speak."""
