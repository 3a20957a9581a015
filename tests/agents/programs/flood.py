"""An agent that speaks as claude does, behind many tiny events: ``flood.py EVENTS [SESSION]``.

Its answer is the conversation that it was told to continue.
"""

import json
import sys

sys.stdout.write("{}\n" * int(sys.argv[1]))
sys.stdout.write(json.dumps({"type": "system", "subtype": "init", "session_id": "c-1"}) + "\n")
sys.stdout.write(json.dumps({"type": "result", "result": [*sys.argv[2:], "none"][0]}) + "\n")
