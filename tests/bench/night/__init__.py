"""A bad night: two providers that fail in turn, many lanes that go on sending, and what is left of it in the morning.

``plan`` says who sends what and when, ``weather`` what the providers do meanwhile, ``morning`` judges what came of it.
A test plays the night with a clock that it moves; the benchmarks play it in compressed time (``played``), with lanes
and with LiteLLM's router (``peers/litellm_night.py``).
"""
