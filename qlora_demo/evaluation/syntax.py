"""Whether answers that are code can be read as code: parsed, never run. Pure functions."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Sequence

PYTHON, JSON = "Python", "JSON"
MOST = 0.8
"""The share of the expected answers that must be code: a sentence may be valid Python by chance ("Paris", "import tax"), but not most of them."""
LONGEST = 20_000
"""Characters; a parser's memory grows with depth, and no answer is so long."""
FENCED = re.compile(r"```[^\n`]*\n(.*?)(?:\n?```|\Z)", re.DOTALL)
DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AugAssign)
DOES = (ast.For, ast.While, ast.If, ast.With, ast.Try)


def language(expected: Sequence[str]) -> str | None:
    """The language that the data's own answers are written in; None where they are no code."""
    for name, valid in CHECKS.items():
        if expected and sum(map(valid, expected)) >= MOST * len(expected):
            return name
    return None


def valid(name: str, answer: str) -> bool:
    """Whether an answer is code of that language. Where it holds a block between fences, that block counts."""
    return CHECKS[name](answer)


def unfenced(answer: str) -> str:
    """The first block between fences, else all of it."""
    found = FENCED.search(answer)
    return found[1] if found else answer.strip()


def _python(answer: str) -> bool:
    """Parses, and something in it is more than a word or a sum."""
    code = unfenced(answer)
    if len(code) > LONGEST:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a stray backslash is a warning of the parser, and still valid
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(one, DEFINES + DOES) or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Call)) for one in tree.body)


def _json(answer: str) -> bool:
    """An object or a list; a bare number or word is no code."""
    code = unfenced(answer)
    if len(code) > LONGEST:
        return False
    try:
        return isinstance(json.loads(code, parse_constant=_refuse), dict | list)
    except (ValueError, RecursionError):
        return False


def _refuse(name: str) -> None:
    """NaN and Infinity, which Python reads and JSON has not."""
    raise ValueError(name)


CHECKS: dict[str, Callable[[str], bool]] = {JSON: _json, PYTHON: _python}
