"""What How it works says: the three methods in plain words, their numbers for a size of model, and what others measured."""

from __future__ import annotations

from dataclasses import dataclass

from qlora_demo.catalogue import Dimensions, Shape
from qlora_demo.estimate import Memory, training_memory, training_seconds
from qlora_demo.recipe import METHODS, Recipe
from qlora_demo.ui.parts import esc, heading, size, table
from qlora_demo.ui.views_train import METHOD_NAMES, memory_bar

ROWS_AT_ONCE, ROW_TOKENS = 1, 512
RANK = 16
INTRO = (
    "A chat model is a very long list of numbers. Training changes numbers until its answers are closer to yours. "
    "The three methods differ in which numbers may change."
)
KEY = "Dashed frame: frozen, it stays as it is. Thick frame: it learns."


@dataclass(frozen=True)
class Told:
    """One method in plain words."""

    title: str
    what: str
    good_for: str
    time: str
    memory: str
    file: str


SECTIONS = (
    Told(
        "QLoRA: packed, with an adapter",
        "The base model is packed: each of its numbers takes 4 bits in place of 16. It stays frozen. "
        "A small add-on beside it, the adapter, is not packed, and only the adapter learns.",
        "Large models on one graphics card, and wherever memory is short.",
        "A little longer than LoRA, as every step unpacks the numbers it needs.",
        "The least: about a quarter of the model, and a little for the adapter.",
        "Small. It holds the adapter alone and needs the same base model beside it.",
    ),
    Told(
        "LoRA: an adapter without packing",
        "The base model stays frozen and unpacked. The same kind of adapter learns.",
        "Models that fit into memory unpacked. On most processors it is the faster of the two.",
        "The shortest, where it fits.",
        "The whole model, and a little for the adapter.",
        "As small as QLoRA's.",
    ),
    Told(
        "Full: the whole model learns",
        "There is no adapter and nothing is frozen. Every number of the model may change.",
        "Small models and much data, or a task far from what the model knows.",
        "The longest: every step also works out a change for every number.",
        "Several times the model: each number needs room for its change and two running averages.",
        "Large. It is a whole model, as large as the base.",
    ),
)


def sections() -> str:
    """The three methods: what, what for, and the cost in time, memory and file size."""
    return "".join(f'<div class="qd-how-part">{_section(told)}</div>' for told in SECTIONS)


def _section(told: Told) -> str:
    facts = (("Good for", told.good_for), ("Time", told.time), ("Memory", told.memory), ("File", told.file))
    listed = "".join(f"<div><dt>{esc(name)}</dt><dd>{esc(value)}</dd></div>" for name, value in facts)
    return f'{heading(told.title, 3)}<p>{esc(told.what)}</p><dl class="qd-how-facts">{listed}</dl>'


def numbers(shape: Shape, machine: str, free_bytes: int, all_bytes: int) -> str:
    """All figures of one size, and which of the methods fit into the memory that is free on `machine`."""
    d = shape.dimensions
    adapter = d.adapter_parameters(RANK)
    rows: list[tuple[object, ...]] = [
        ("Numbers in the model (parameters)", f"{d.parameters():,}"),
        (f"Numbers that learn in an adapter of rank {RANK}", f"{adapter:,}, which is {100 * adapter / d.parameters():.2g} % as many"),
        ("Base model in 16 bits", size(memory(d, "lora").weights)),
        ("Base model packed to 4 bits (NF4; its word list stays in 16)", size(memory(d, "qlora").weights)),
        ("Adapter file: 16-bit on newer processors / 32-bit elsewhere", f"{size(2 * adapter)} / {size(4 * adapter)}"),
        ("File of full training, in 16 bits", size(2 * d.parameters())),
        ("Calculations of full training beside LoRA", f"{_effort(d, 'full') / _effort(d, 'lora'):.1f} times as many"),
    ]
    bars = "".join(memory_bar(METHOD_NAMES[method], memory(d, method).total(), free_bytes) for method in METHODS)
    counted = f"Calculated from the dimensions of {shape.of}."
    free = f"Here {size(free_bytes)} of {size(all_bytes)} are free now ({machine}). One row of {ROW_TOKENS} tokens (word pieces) is read at once."
    return (
        f'<p class="qd-small">{esc(counted)}</p>{table(("", ""), rows)}{heading("Memory to train it", 3)}'
        f'<p class="qd-small">{esc(free)}</p><div class="qd-bars">{bars}</div>'
    )


def memory(d: Dimensions, method: str) -> Memory:
    """Of a training with short rows, one at a time: the least that the method takes."""
    return training_memory(d, Recipe(method=method, rank=RANK, batch_size=ROWS_AT_ONCE, micro_batch_size=ROWS_AT_ONCE), ROW_TOKENS)


def _effort(d: Dimensions, method: str) -> float:
    """Time of a row by arithmetic alone, to be compared with another method's."""
    return training_seconds(d, method, ROW_TOKENS, None)
