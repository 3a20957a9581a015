"""``python -m tests.golden``: records the cases that are not recorded yet. What is recorded stays as it is."""

import json

from tests.golden.test_golden import RECORDED, recorded
from tests.golden.told import told

for form, cases in told().items():
    file = RECORDED / f"{form}.json"
    kept = recorded(form) if file.exists() else {}
    lines = [f"{json.dumps(case)}: {json.dumps((cases | kept)[case])}" for case in cases]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="ascii")
