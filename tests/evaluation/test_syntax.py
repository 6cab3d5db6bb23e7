"""Code is told from text by the data's own answers, parsed with all that strangers write, and never run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qlora_demo.evaluation.syntax import JSON, LONGEST, PYTHON, language, unfenced, valid

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
FUNCTION = "def f(x):\n    return x + 1"


def test_the_languages_of_the_examples() -> None:
    code = [row["output"] for row in json.loads((EXAMPLES / "python.json").read_text())]
    assert language(code) == PYTHON
    summaries = [json.loads(line) for line in (EXAMPLES / "summaries.jsonl").read_text().splitlines()]
    assert language([str(list(row.values())[-1]) for row in summaries]) is None


def test_sentences_are_no_code_even_where_they_parse() -> None:
    assert language(["Paris", "Yes", "3", "blue", "not now"]) is None
    assert language(["Answer: yes", "Time: ten"]) is None
    assert language([FUNCTION] * 8 + ["I cannot do that."] * 2) == PYTHON
    assert language([FUNCTION] * 7 + ["I cannot do that."] * 3) is None
    assert language([]) is None


def test_json_is_an_object_or_a_list() -> None:
    assert language(['{"name": "Ann"}', "[1, 2]", "{}", '```json\n{"a": null}\n```']) == JSON
    assert language(["12", '"word"', "true"]) is None
    assert [valid(JSON, text) for text in ('{"a": 1}', "{'a': 1}", '{"a": NaN}', '{"a": 1', "")] == [True, False, False, False, False]


def test_the_block_between_fences_counts() -> None:
    talk = f"Sure, here it is:\n\n```python\n{FUNCTION}\n```\nIt adds one."
    assert unfenced(talk) == FUNCTION and valid(PYTHON, talk)
    assert unfenced(f"```py\n{FUNCTION}") == FUNCTION
    assert not valid(PYTHON, "Sure, here it is: def f(x)")
    assert valid(PYTHON, "print('\\d')")


@pytest.mark.parametrize("text", ["", "def f(:", "(" * 5000, "-" * 19_000 + "1", "x\x00=1", "[" * 10_000, f"x = {'9' * 10_000}", "x=1\n" * LONGEST])
def test_nothing_that_is_written_breaks_a_parser(text: str) -> None:
    assert not valid(JSON, text)
    assert valid(PYTHON, text) in (True, False)
    assert not valid(PYTHON, "") and not valid(PYTHON, "x=1\n" * LONGEST)


def test_nothing_is_run(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    assert valid(PYTHON, f"open({str(touched)!r}, 'w').write('x')\nimport os; os.system('touch {touched}')")
    assert not touched.exists()
