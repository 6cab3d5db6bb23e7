"""How a run is spread over several processes, by arithmetic: the whole model on each, or, where it does not fit one card, a share of it.

With the whole model on every card each step is shared alone: little is sent, and three methods are possible. A model that is spread is sent through
every card in every step, so this comes second, and only for an adapter (LoRA, QLoRA): full training would have to spread its optimizer too.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from qlora_demo.catalogue import Dimensions
from qlora_demo.estimate import Computing, Way, fit_to, sharded_memory
from qlora_demo.recipe import Recipe

SHARES = {2: "half", 3: "a third", 4: "a quarter"}


def fit_over(dimensions: Dimensions, recipe: Recipe, longest: int, free: int, computing: Computing, processes: int = 1) -> Way:
    """As `fit_to`, for at most so many processes: on cards with `free` bytes each, on a processor with `free` bytes together."""
    processes = min(processes, recipe.batch_size)
    each = free // processes if computing.device == "cpu" else free
    dealt = replace(recipe, micro_batch_size=min(recipe.micro_batch_size, ceil(recipe.batch_size / processes)))
    way = replace(fit_to(dimensions, dealt, longest, each, computing), processes=processes)
    if way.fits(each) or processes == 1 or recipe.method == "full" or computing.device == "cpu":
        return way
    ways = [_sharded(dimensions, dealt, longest, computing, processes, size) for size in _sizes(dealt.micro_batch_size)]
    return next((found for found in ways if found.fits(each)), min([way, *ways], key=lambda found: found.memory.total()))


def _sharded(d: Dimensions, recipe: Recipe, longest: int, computing: Computing, processes: int, size: int) -> Way:
    """With the inner values computed twice: a model that needs several cards leaves no room for them."""
    memory = sharded_memory(d, replace(recipe, micro_batch_size=size), longest, computing, processes)
    return Way(size, True, False, memory, processes, sharded=True)


def _sizes(rows: int) -> list[int]:
    """Halved down to one."""
    return [rows] if rows == 1 else [rows, *_sizes(rows // 2)]


def in_words(processes: int, sharded: bool, device: str) -> str:
    """For people; "" where there is one process."""
    if processes == 1:
        return ""
    if sharded:
        return f"The model is spread over {processes} cards, as it does not fit one."
    share = SHARES.get(processes, f"one of {processes} parts")
    what = "cards" if device == "cuda" else "processes"
    return f"Uses {processes} {what}: each reads {share} of every step."
