"""The reviews and the Python functions that come with the app are what their note says."""

from __future__ import annotations

import ast
import csv
import doctest
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FUNCTIONS = json.loads((EXAMPLES / "python.json").read_text(encoding="utf-8"))
ASKED = [row["instruction"] for row in FUNCTIONS]


def reviews() -> list[dict[str, str]]:
    with (EXAMPLES / "sentiment.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def function_of(source: str) -> ast.FunctionDef:
    functions = [node for node in ast.parse(source).body if not isinstance(node, ast.Import | ast.ImportFrom)]
    assert len(functions) == 1 and isinstance(functions[0], ast.FunctionDef)
    return functions[0]


def doctests(source: str) -> list[doctest.DocTest]:
    """The tests of a source with its own function in reach."""
    namespace: dict[str, Any] = {}
    exec(source, namespace)  # noqa: S102
    name = function_of(source).name
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(namespace[name], name, globs=namespace) if test.examples]


def test_the_reviews_are_plain_csv() -> None:
    content = (EXAMPLES / "sentiment.csv").read_bytes()
    assert content.startswith(b"text,label\n") and b"\r" not in content
    assert all(set(row) == {"text", "label"} for row in reviews())


def test_the_reviews_are_half_happy_and_half_unhappy() -> None:
    assert Counter(row["label"] for row in reviews()) == {"happy": 80, "unhappy": 80}


def test_no_review_comes_twice() -> None:
    assert len({row["text"] for row in reviews()}) == 160


def test_the_reviews_are_short() -> None:
    assert [row["text"] for row in reviews() if not 8 <= len(row["text"].split()) <= 60] == []


def test_the_reviews_begin_differently() -> None:
    beginnings = Counter(" ".join(row["text"].lower().split()[:4]) for row in reviews())
    assert [beginning for beginning, count in beginnings.items() if count > 2] == []


def test_the_reviews_hold_what_a_csv_must_quote() -> None:
    texts = [row["text"] for row in reviews()]
    assert sum("\n" in text for text in texts) == 2
    assert any('"' in text for text in texts) and any("," in text for text in texts)


def test_no_word_alone_tells_the_label() -> None:
    """Of the words in at least eight reviews, none is found on one side only."""
    sides = {"happy": Counter(), "unhappy": Counter()}
    for row in reviews():
        sides[row["label"]].update(set(row["text"].lower().split()))
    frequent = [word for word, count in (sides["happy"] + sides["unhappy"]).items() if count >= 8]
    assert frequent and [word for word in frequent if not (sides["happy"][word] and sides["unhappy"][word])] == []


def test_a_hundred_functions_are_asked_for_and_none_twice() -> None:
    assert len(FUNCTIONS) == 100 and len(set(ASKED)) == 100
    assert all(list(row) == ["instruction", "output"] for row in FUNCTIONS)
    assert len({function_of(row["output"]).name for row in FUNCTIONS}) == 100


@pytest.mark.parametrize("source", [row["output"] for row in FUNCTIONS], ids=ASKED)
def test_an_answer_is_one_function_that_does_what_it_shows(source: str) -> None:
    for test in doctests(source):
        assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


@pytest.mark.parametrize("source", [row["output"] for row in FUNCTIONS], ids=ASKED)
def test_an_answer_is_in_the_house_style(source: str) -> None:
    function = function_of(source)
    summary = (ast.get_docstring(function) or "").splitlines()[0]
    arguments = function.args.args
    assert function.name == function.name.lower()
    assert function.returns is not None and all(argument.annotation is not None for argument in arguments)
    assert summary.split()[0].endswith("s") and summary.endswith(".")
    assert 2 <= (function.end_lineno or 0) - (function.body[0].end_lineno or 0) <= 12
    called = {node.func.id for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert called.isdisjoint({"input", "print", "open", "eval", "exec"})


def test_most_answers_show_one_example() -> None:
    counts = Counter(len(test.examples) for row in FUNCTIONS for test in doctests(row["output"]))
    assert counts == {1: 98}
