"""An agent that says what it is told to: ``speak.py EXIT_CODE LINE…``; a line that begins with ``!`` goes to stderr.
With ``hang`` for the exit code it stays.

Its input is read to its end first, as agents do. ``@ENVIRONMENT``, ``@FOLDER`` and ``@INPUT`` say what those are.
"""

import json
import os
import sys
import time
from pathlib import Path

code, *lines = sys.argv[1:]
heard = sys.stdin.read()
for line in lines:
    said = {"@ENVIRONMENT": json.dumps(dict(os.environ)), "@FOLDER": str(Path.cwd()), "@INPUT": heard}.get(line, line)
    print(said.removeprefix("!"), file=sys.stderr if said.startswith("!") else sys.stdout, flush=True)
if code == "hang":
    time.sleep(600)
sys.exit(int(code))
