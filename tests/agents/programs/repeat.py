"""An agent that writes the same lines for ever: ``repeat.py LINE…``."""

import sys
import time

while True:
    for line in sys.argv[1:]:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    time.sleep(0.02)
