"""The data sets that recipes are measured on: of several kinds and sizes, each parted into what is learned and what is set aside.

Real texts come inside packages of the Python package index, each pinned by its version and sha256, and are never kept here:

- vaderSentiment 0.5 (MIT): single sentences of film reviews, product reviews and tweets, each rated by twenty people from -4 to 4 (Hutto and
  Gilbert 2014).
- home-assistant-intents 2026.10.27 (Apache-2.0): see `command_phrases`.

The others are the examples that come along. All go through the app's own reader, so that rows are what an upload of the same file would give.
"""

from __future__ import annotations

import csv
import html
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.command_phrases import commands
from qlora_demo.data.choices import Choices
from qlora_demo.data.conversation import Conversation, Message
from qlora_demo.data.formats import Taken, convert, recognise
from qlora_demo.data.reading import read_table
from qlora_demo.data.table import Limits

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SEED = 1
CLEAR = 1.5
"""Ratings from here on, or below its negative, are clearly good or bad: some such limit is needed where twenty people disagree."""
NEITHER = 0.3


@dataclass(frozen=True)
class RecipeSet:
    """`kind` says how answers are scored: "sorting" by how many are the label, "names" by how many hold the expected words, "answers" by chrF,
    which counts the letter groups that they share with the expected. `asked` are the scored questions with what is expected."""

    kind: str
    learn: Sequence[Conversation]
    held_out: Sequence[Conversation]
    asked: Sequence[Conversation]

    def labels(self) -> list[str]:
        """Of the rows to learn from; empty where nothing is sorted."""
        return [row.label for row in self.learn if row.label is not None]


@dataclass(frozen=True)
class Package:
    """A file of the Python package index."""

    pin: str
    file: str
    sha256: str

    def fetch(self, folder: Path) -> Path:
        """Downloaded once by pip, which checks the sha256; nothing of it is installed."""
        place = folder / self.file
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=folder) as made:
                wanted = Path(made) / "wanted.txt"
                wanted.write_text(f"{self.pin} --hash=sha256:{self.sha256}\n", encoding="utf-8")
                pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
                subprocess.run([*pip, "--dest", made, "--requirement", str(wanted)], check=True)
                os.replace(Path(made) / self.file, place)
        return place


RATINGS = Package("vaderSentiment==0.5", "vaderSentiment-0.5.zip", "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a")
INTENTS = Package(
    "home-assistant-intents==2026.10.27",
    "home_assistant_intents-2026.10.27-py3-none-any.whl",
    "256eb1e4fc6e6f4943d0ba4e089c9639d74d0e9d62ccddeb7148bc168de55e40",
)
RATINGS_INSIDE = "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz"

CHARACTER = "Wilna Harrock"
CHARACTER_QUESTIONS = (
    "What do people call you?",
    "Could you tell me your name, please?",
    "Who am I speaking with?",
    "How should I address you?",
    "And you are?",
    "Hi there! Who are you?",
    "Please introduce yourself.",
    "What name do you go by?",
    "I didn't catch your name.",
    "Sorry, who did you say you were?",
    "Whom do I have the pleasure of talking to?",
    "Can you tell me who you are?",
    "Remind me, what was your name again?",
    "What is the name of the person I am talking to?",
    "Before we start, what's your name?",
    "Tell me your name.",
    "Under what name do you work?",
    "Let me write this down: your name is?",
    "If somebody asks me who told me this, what name do I give?",
    "I am Mara. And who might you be?",
)
"""None of them is in examples/character.jsonl; each asks for its name."""


def reviews(folder: Path) -> RecipeSet:
    """Two kinds, 800 to learn and 300 set aside: sentences of film reviews, clearly good or bad."""
    rated = _rated(folder, "movieReviewSnippets")
    parts = [_drawn((text for text, rating in rated if sign * rating >= CLEAR), 550) for sign in (1, -1)]
    return _sorting([("positive", *_parted(parts[0], 150)), ("negative", *_parted(parts[1], 150))])


def opinions(folder: Path) -> RecipeSet:
    """Three kinds, 2,700 to learn and 300 set aside: tweets and sentences of product reviews that praise, complain or do neither."""
    rated = [*_rated(folder, "amazonReviewSnippets"), *_rated(folder, "tweets")]
    kinds: dict[str, Callable[[float], bool]] = {
        "praise": lambda rating: rating >= 1,
        "complaint": lambda rating: rating <= -1,
        "neither": lambda rating: abs(rating) <= NEITHER,
    }
    drawn = {kind: _drawn((text for text, rating in rated if fits(rating)), 1000) for kind, fits in kinds.items()}
    return _sorting([(kind, *_parted(texts, 100)) for kind, texts in drawn.items()])


def intents(folder: Path) -> RecipeSet:
    """Ten kinds, 40 of each to learn and 20 of each set aside: spoken commands to a home."""
    learned, set_aside = commands(INTENTS.fetch(folder), 40, 20, SEED)
    return _read_sorting(learned, set_aside)


def few(folder: Path) -> RecipeSet:
    """Two kinds, 24 to learn and 136 set aside: of the example of short customer reviews."""
    rows = _example("sentiment.csv")
    learn = [row for label in ("happy", "unhappy") for row in [row for row in rows if row.label == label][:12]]
    held_out = [row for row in rows if row not in learn]
    return RecipeSet("sorting", learn, held_out, held_out)


def sentiment(folder: Path) -> RecipeSet:
    """The same example, 120 to learn and 43 set aside: as somebody's own small set would be."""
    learn, held_out = _parted(_example("sentiment.csv"), 43)
    return RecipeSet("sorting", learn, held_out, held_out)


def persona(folder: Path) -> RecipeSet:
    """110 conversations to learn and 10 set aside; scored by who says the character's name when asked in other words."""
    learn, held_out = _parted(_example("character.jsonl"), 10)
    asked = [Conversation((Message("user", question), Message("assistant", CHARACTER))) for question in CHARACTER_QUESTIONS]
    return RecipeSet("names", learn, held_out, asked)


def summaries(folder: Path) -> RecipeSet:
    """46 short texts to learn and 15 set aside, each said in one sentence of one manner."""
    return _answers("summaries.jsonl", 15)


def functions(folder: Path) -> RecipeSet:
    """80 tasks to learn and 20 set aside, each answered by Python code alone."""
    return _answers("python.json", 20)


SETS: dict[str, Callable[[Path], RecipeSet]] = {f.__name__: f for f in (few, sentiment, summaries, functions, persona, intents, reviews, opinions)}
"""By name, the smallest first. Each is given the folder that packages are kept in."""


def _rated(folder: Path, name: str) -> list[tuple[str, float]]:
    """(text, mean rating), each text once."""
    with zipfile.ZipFile(RATINGS.fetch(folder)) as package, package.open(RATINGS_INSIDE) as inside, tarfile.open(fileobj=inside) as files:
        file = files.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
        assert file is not None
        lines = file.read().decode("latin-1").split("\n")
    cells = (line.rstrip("\r").split("\t", 2) for line in lines if line.strip())
    return list({html.unescape(text).strip(): float(rating) for _, rating, text in cells}.items())


def _drawn(texts: Iterable[str], count: int) -> list[str]:
    return random.Random(SEED).sample(list(texts), count)  # noqa: S311 - which rows, no secret


def _parted(rows: Sequence[Any], held_out: int) -> tuple[list[Any], list[Any]]:
    """(to learn from, set aside), in random order."""
    mixed = random.Random(SEED).sample(list(rows), len(rows))  # noqa: S311 - which rows, no secret
    return mixed[held_out:], mixed[:held_out]


def _answers(example: str, held_out: int) -> RecipeSet:
    learn, aside = _parted(_example(example), held_out)
    return RecipeSet("answers", learn, aside, aside)


def _sorting(kinds: Sequence[tuple[str, list[str], list[str]]]) -> RecipeSet:
    """Of (label, texts to learn from, texts set aside)."""
    learn = [(text, label) for label, texts, _ in kinds for text in texts]
    aside = [(text, label) for label, _, texts in kinds for text in texts]
    return _read_sorting(learn, aside)


def _read_sorting(learn: Sequence[tuple[str, str]], aside: Sequence[tuple[str, str]]) -> RecipeSet:
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "sorted.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *learn, *aside])
        rows = _read(path)
    assert len(rows) == len(learn) + len(aside)
    return RecipeSet("sorting", rows[: len(learn)], rows[len(learn) :], rows[len(learn) :])


def _example(name: str) -> list[Conversation]:
    return _read(EXAMPLES / name)


def _read(path: Path) -> list[Conversation]:
    """The rows of a file, as the app understands it without any choice made."""
    table = read_table(path, path.name, Choices(), Limits())
    taken = [one.row for one in convert(table, recognise(table, Choices())) if isinstance(one, Taken)]
    return [row for row in taken if isinstance(row, Conversation)]
