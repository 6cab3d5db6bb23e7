"""Spoken commands to a home, in ten kinds, from the grammar that Home Assistant's users wrote for their own assistant.

Package home-assistant-intents (Apache-2.0). Its templates say how people put a wish: `[a]` may be left out, `(a|b)` is one of them, `(a;b)` both in
any order, `<rule>` another template, `{list}` a word of a list. What is set aside comes from other templates than what is learned, and names other
rooms and devices. Few templates are learned from, as a small data set knows few ways to say a thing: counting words then sorts three in four
of the rows set aside.
"""

from __future__ import annotations

import json
import random
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LEARNED_TEMPLATES = 4
GRAMMAR = "home_assistant_intents/data/en.json"
KINDS = {
    "turn on": ("HassTurnOn",),
    "turn off": ("HassTurnOff",),
    "ask state": ("HassGetState",),
    "set light": ("HassLightSet",),
    "set volume": ("HassSetVolume", "HassSetVolumeRelative"),
    "start timer": ("HassStartTimer",),
    "lengthen timer": ("HassIncreaseTimer",),
    "shorten timer": ("HassDecreaseTimer",),
    "ask timer": ("HassTimerStatus",),
    "cancel timer": ("HassCancelTimer",),
}
# What the grammar leaves to each home. The first half is learned from, the second tested with.
OWN_WORDS = {
    "area": "kitchen, bedroom, hall, bathroom, office, cellar, living room, garage, nursery, attic, study, porch, guest room, laundry room, patio",
    "floor": "ground, first, upper, second, lower, top",
    "name": "desk lamp, radio, heater, tv, coffee machine, speaker, fan, kettle, dehumidifier, record player, night light, projector, toaster, pump",
    "zone": "work, school, the gym, the airport, the office, the station",
    "timer_name": "pizza, tea, laundry, egg, homework, bread, rice, nap, pasta, workout, cake, meeting",
    "timer_command": "turn on the radio, open the blinds, switch off the heater, pause the music, close the garage door, turn off the tv, "
    "start the fan, lock the front door",
}
INNERMOST = re.compile(r"\[([^][()]*)\]|\(([^][()]*)\)")
NAMED = re.compile(r"<(\w+)>|\{(\w+)(?::\w+)?\}")


@dataclass(frozen=True)
class Grammar:
    """`rules` and `lists` as the file has them; `own` holds the words of one home."""

    rules: Mapping[str, str]
    lists: Mapping[str, Any]
    own: Mapping[str, list[str]]

    def say(self, template: str, chance: random.Random) -> str:
        """One of the texts that a template stands for."""
        text = template
        while NAMED.search(text):
            text = NAMED.sub(lambda found: self._named(found, chance), text)
        while INNERMOST.search(text):
            text = INNERMOST.sub(lambda found: _chosen(found, chance), text)
        return " ".join(text.split())

    def _named(self, found: re.Match[str], chance: random.Random) -> str:
        rule, words = found.groups()
        if rule:
            return f"({self.rules[rule]})"
        if words in self.own:
            return chance.choice(self.own[words])
        known = self.lists[words]
        if "range" in known:
            return str(chance.randrange(known["range"]["from"], known["range"]["to"] + 1, known["range"].get("step", 1)))
        return f"({chance.choice(known['values'])['in']})"


def _chosen(found: re.Match[str], chance: random.Random) -> str:
    optional, group = found.groups()
    if optional is not None:
        return chance.choice(optional.split("|")) if chance.random() < 0.5 else ""
    if ";" in group:
        parts = group.split(";")
        return " ".join(chance.sample(parts, len(parts)))
    return chance.choice(group.split("|"))


def commands(wheel: Path, learned: int, set_aside: int, seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(text, kind) to learn from and set aside: so many of each kind, no text twice."""
    with zipfile.ZipFile(wheel) as package:
        known = json.loads(package.read(GRAMMAR))
    chance = random.Random(seed)  # noqa: S311 - made data, no secret
    sides: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    words = {name: text.split(", ") for name, text in OWN_WORDS.items()}
    for kind, intents in KINDS.items():
        templates = [t for intent in intents for block in known["intents"][intent]["data"] for t in block["sentences"]]
        chance.shuffle(templates)
        shares = (_half(templates, 0)[:LEARNED_TEMPLATES], _half(templates, 1))
        for side, count in enumerate((learned, set_aside)):
            grammar = Grammar(known["expansion_rules"], known["lists"], {name: _half(several, side) for name, several in words.items()})
            sides[side].extend((text, kind) for text in _several(grammar, shares[side], count, chance))
    for rows in sides:
        chance.shuffle(rows)
    return sides


def _half(several: list[str], side: int) -> list[str]:
    middle = len(several) // 2
    return several[middle:] if side else several[:middle]


def _several(grammar: Grammar, templates: list[str], count: int, chance: random.Random) -> list[str]:
    """Every template in turn, until there are enough different texts."""
    texts: dict[str, None] = {}
    turn = 0
    while len(texts) < count:
        texts[grammar.say(templates[turn % len(templates)], chance)] = None
        turn += 1
    return list(texts)
