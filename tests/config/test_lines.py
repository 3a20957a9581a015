import tomllib

import pytest

from lanes.config.reading.lines import Path, TomlLines

TEXT = '''\
# a comment with [brackets] and key = "value"
top.dotted = 1

[gateway]   # said = "here"
host = """
port = 1
[clocks]
""" # not = 1
"quoted key" = [ "]", # [
  'run = "x"', "a\\"] b",
  ["x"],
]
port = 2

[[runner]]
name = "one"
  # indented
  kind = "x"
[[runner]]
name = 'two'
inner = { a = 1, b = [1, 2] }
[runner.sub]
x = 1
[[runner.deep]]
y = 1
[[runner.deep]]
y = 2
  [ "odd \\u0041" . 'b' ]
z = \'\'\'
= [[runner]]\'\'\'\'
last = 1'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top", "dotted"), 2),
        (("gateway",), 4),
        (("gateway", "host"), 5),
        (("gateway", "quoted key"), 9),
        (("gateway", "port"), 13),
        (("runner",), 15),
        (("runner", 0), 15),
        (("runner", 0, "name"), 16),
        (("runner", 0, "kind"), 18),
        (("runner", 1), 19),
        (("runner", 1, "name"), 20),
        (("runner", 1, "inner"), 21),
        (("runner", 1, "inner", "b"), 21),
        (("runner", 1, "sub", "x"), 23),
        (("runner", 1, "deep", 1, "y"), 27),
        (("odd A", "b"), 28),
        (("odd A", "b", "z"), 29),
        (("odd A", "b", "last"), 31),
        (("runner", 1, "absent"), 19),
        (("nowhere",), None),
        ((), None),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_of_a_key_or_of_what_is_around_it(path: Path, line: int | None, end: str) -> None:
    text = TEXT.replace("\n", end)
    assert tomllib.loads(text)["odd A"]["b"]["last"] == 1
    assert TomlLines(text).of(path) == line


def test_a_text_without_anything() -> None:
    assert TomlLines("").of(("a",)) is None
    assert TomlLines("[a]").of(("a",)) == 1
