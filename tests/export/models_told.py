"""Finished models as the texts tell of them, and texts that must come through every kind of quoting."""

from __future__ import annotations

from dataclasses import replace

from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.export.about import About, Figure, Tested
from qlora_demo.recipe import Recipe

HARD = (
    'It\'s "quoted"',
    "two\nlines\n\nand a tab\there",
    "$(rm -rf x) `date` $HOME ${x} !! \\ \\n %s",
    "three \"\"\" quotes ''' and {{ .System }} {% raw %}",
    'ends with three quotes """',
    'a line ends so """\nand goes on',
    "Grüße, 你好, שלום, 👩‍👩‍👧",
    "-n",
    " spaces around ",
    '"',
)
NAMES = ('"a: b\n# x', "<script>alert(1)</script>", "![x](http://example.org/a.png)", "a | b `c` **d** www.example.org me@example.org", "---", "‮evil")


def told(base: str = BUNDLED_ID, **fields: object) -> About:
    """A model that has been tested; recipe fields and those of About."""
    recipe = {name: fields.pop(name) for name in ("method", "system_prompt", "rank") if name in fields}
    figure = Figure("Likeness of the text (chrF)", "Runs of letters.", "9.0", "62.5", "5.0 to 14.0", "50.1 to 70.0")
    tested = Tested("It learned.", 10, (figure,), 97, 100)
    made = About(
        "customers, 24 Nov",
        find_model(base),
        Recipe(model=base, **recipe),
        "conversations",
        "character",
        "en",
        learned=108,
        held_out=10,
        tested=tested,
        steps=81,
        train_loss=1.5,
        held_out_loss=1.25,
        made=1_764_150_000.0,
        versions={"torch": "2.13.0", "peft": "0.21.0"},
    )
    return replace(made, **fields)
