"""Memory of a run before it starts, and how it is made to fit: arithmetic on the model's dimensions, no model needed.

The arithmetic follows models/fused_decoder.py number by number; benchmarks/memory_prediction.py holds it against what processes really take. For
other families, and on cards that train in fp16, it follows transformers' layers under autograd (after Korthikanti et al. 2022).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from statistics import median

from qlora_demo.catalogue import Dimensions
from qlora_demo.hardware import Machine
from qlora_demo.recipe import Recipe

NF4_BYTES = 0.516  # a weight with its double-quantised scale: 4.127 bits (QLoRA paper, section 3)
LIBRARIES = 515_000_000
"""What a training process on a processor holds once everything is imported."""
WORKSPACE = 100_000_000
"""What the libraries take with their first computation."""
CARD_OVERHEAD = 900_000_000
"""The card's context and the libraries' workspaces on it."""
CARD_SAFETY = 1.25
LEARNED_SHARE = 0.75
"""Of a row's tokens those that carry loss, as the answer is mostly the longer part."""
TOKENS_AT_ONCE, LOGIT_ROWS, CARD_LOGIT_ROWS, KEPT_ATTENTION = 2048, 128, 2048, 256
"""As training/trainer.py and models/fused_decoder.py have them; a test holds them equal."""
OPTIMIZED_NUMBERS = 8_000_000
"""As training/optimizer.py has it."""
TESTED_TOKENS, TESTED_LOGITS = 2048, 128
"""As evaluation/likelihood.py has them."""
ENOUGH_TOKENS = 512
"""At once: with fewer, the calls and the weights that are read for them begin to cost."""
CORE_RATE, SLOW_CORE_RATE, CARD_RATE = 1.9e11, 5e10, 3e13
"""Multiplications and additions a second of training: of a recent core in 16 bits (measured: benchmarks/train_speed.py) and in 32, and of a card."""
CARDS_EFFICIENCY = 0.9
"""Of several cards: the share of their rates together that is left, as they wait for each other. Assumed, until it is measured."""
LAYER_SECONDS = 0.002
"""Of one layer, there and back, whatever the number of tokens."""
IMPORT_SECONDS, READ_A_SECOND, PACKED_A_SECOND = 5.0, 1e9, 3e7
ANSWER_SECONDS = 1.5e-8
"""Of the watched questions, for each of the model's parameters: an answer reads them all for each token."""
ITEM_TOKENS, TEST_ANSWERS = 2500, 5
"""Of the general facts at the end; and the answers of the test and to general questions, in times of the watched ones."""
MEMORY_BOUNDS, TIME_BOUNDS, LAST_RUNS = (0.7, 1.5), (0.02, 50.0), 3
SAFE_SHARE = 0.92
"""Of the free memory that a run may be planned to take: the arithmetic is right to a tenth."""
KEPT_CHECKPOINTS = 3
"""Saved points that are on the disk at once: two, and the one that is being written."""
TOKENIZER_BYTES, TOKENIZER_WORD = 1_000_000, 90
"""Of a tokenizer's files, which lie beside all weights: whatever it knows, and for each piece of its vocabulary."""


@dataclass(frozen=True)
class Computing:
    """What a run computes with: `device` is "cpu" or "cuda"; `number` the bytes of what learns, 2 where all is bf16, 4 in 32 bits or with fp16."""

    device: str = "cpu"
    number: int = 2

    @classmethod
    def of(cls, machine: Machine) -> Computing:
        return cls(machine.device, 2 if machine.fast_16_bit else 4)


@dataclass(frozen=True)
class Memory:
    """Bytes of one training run by purpose. `adapter` is 0 where the whole model learns; `activations` is all that is held for a moment, at the
    highest: inner values kept for the way back, 32-bit copies in the optimizer's step, a test, or the model's file."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    overhead: int

    def total(self) -> int:
        return self.weights + self.adapter + self.gradients + self.optimizer + self.activations + self.overhead

    def times(self, factor: float) -> Memory:
        return Memory(**{purpose: int(factor * size) for purpose, size in asdict(self).items()})


@dataclass(frozen=True)
class Way:
    """One way to do a step: so many rows at once, inner values kept or computed twice. Neither changes what is learned. `paged` is the optimizer
    whose moments have 8 bits and may leave the card. `processes` share each step, `sharded` the base model too; see `spread`. `memory` is what it
    takes, of several processes each."""

    micro_batch_size: int
    checkpointing: bool
    paged: bool
    memory: Memory
    processes: int = 1
    sharded: bool = False

    def fits(self, free: int) -> bool:
        return self.memory.total() < free


def checkpoint_bytes(dimensions: Dimensions, recipe: Recipe, number: int) -> int:
    """One saved point on the disk: what learns, its 32-bit masters where it has 16 bits, two moments, the tokenizer. `number` as in Computing."""
    learning = dimensions.parameters() if recipe.method == "full" else dimensions.adapter_parameters(recipe.rank)
    return (2 + 12 if number == 2 else 4 + 8) * learning + tokenizer_bytes(dimensions)


def artifact_bytes(dimensions: Dimensions, recipe: Recipe, number: int) -> int:
    """What is left on the disk when a run is finished: an adapter, or a whole model in 16 bits with its tokenizer."""
    if recipe.method == "full":
        return 2 * dimensions.parameters() + tokenizer_bytes(dimensions)
    return number * dimensions.adapter_parameters(recipe.rank)


def tokenizer_bytes(dimensions: Dimensions) -> int:
    return TOKENIZER_BYTES + TOKENIZER_WORD * dimensions.vocabulary


def disk_bytes(dimensions: Dimensions, recipe: Recipe, number: int) -> int:
    """The most that a run has on the disk at once."""
    return KEPT_CHECKPOINTS * checkpoint_bytes(dimensions, recipe, number) + artifact_bytes(dimensions, recipe, number)


def training_memory(
    dimensions: Dimensions, recipe: Recipe, longest: int, computing: Computing = Computing(), checkpointing: bool = False, paged: bool = False
) -> Memory:
    """`longest` is the longest row in tokens, before it is cut to the recipe's `max_length`.

    In bf16, what learns has 32-bit masters and two moments in the optimizer; in 32 bits only the moments.
    """
    length, card = min(longest, recipe.max_length), computing.device == "cuda"
    if card and (computing.number == 4 or paged):
        return _autocast_memory(dimensions, recipe, length, checkpointing, paged)
    d, number, full = dimensions, computing.number, recipe.method == "full"
    adapter = 0 if full else d.adapter_parameters(recipe.rank)
    learning = d.parameters() if full else adapter
    head = number * d.vocabulary * d.hidden
    rows = min(recipe.micro_batch_size, recipe.batch_size) if card else rows_at_once(recipe, length)
    step = _Step(d, 0 if full else recipe.rank, number, rows, length, card)
    kept, moment = step.by_hand(checkpointing) if d.fused and not recipe.dropout else step.by_autograd(checkpointing)
    at_once = max(OPTIMIZED_NUMBERS, d.vocabulary * d.hidden) if full else adapter
    optimizing = 4 * min(at_once, learning) if number == 2 else 2 * head  # 32-bit copies of some gradients
    # The model's file is mapped until every weight has memory of its own, while most of the workspace is to come; converted, they have it at once.
    reading = 0 if card or number == 4 else 2 * d.parameters() - WORKSPACE // 2
    return Memory(
        weights=_weights(d, recipe.method, number),
        adapter=number * (adapter + (0 if full else _stacked(d, recipe.rank))),
        gradients=number * learning,
        optimizer=(12 if number == 2 else 8) * learning,
        activations=max(kept + max(moment + (head if full else 0), optimizing), _testing(d, length, number), reading),
        overhead=CARD_OVERHEAD if card else LIBRARIES + WORKSPACE,
    )


def rows_at_once(recipe: Recipe, length: int) -> int:
    """On a processor, of rows of this length."""
    return max(1, min(recipe.micro_batch_size, recipe.batch_size, TOKENS_AT_ONCE // length))


def _weights(d: Dimensions, method: str, number: int) -> int:
    if method != "qlora":
        return number * d.parameters()
    scratch = d.hidden * max(2 * d.intermediate, (d.heads + 2 * d.kv_heads) * d.head_dim)  # 4-bit layers are unpacked here, a group at a time
    return int(NF4_BYTES * d.linear_parameters()) + number * (d.other_parameters() + scratch)


def _stacked(d: Dimensions, rank: int) -> int:
    """Numbers in the adapter's matrices B of a group of layers, side by side in one."""
    q, kv = d.heads * d.head_dim, d.kv_heads * d.head_dim
    return d.layers * rank * (3 * (q + 2 * kv) + d.hidden + 2 * 2 * d.intermediate + d.hidden)


@dataclass(frozen=True)
class _Step:
    """Bytes of the way forward and back of `rows` rows of `length` tokens, in numbers of `number` bytes."""

    d: Dimensions
    rank: int
    number: int
    rows: int
    length: int
    card: bool = False

    def by_hand(self, checkpointing: bool) -> tuple[int, int]:
        """(what has its place from the first step on, what is needed beside it for a moment): in the loss, or where a layer goes back."""
        d, tokens = self.d, self.rows * self.length
        layers = d.layers * self.number * d.hidden + self._layer() if checkpointing else d.layers * self._layer()
        kept = layers + (0 if self.card else 4 * self.number * d.heads * self.length)  # attention weights, their gradient, and both turned
        chosen = LEARNED_SHARE * 2 * self.number * d.hidden
        logits = 3 * self.number * d.vocabulary * min(CARD_LOGIT_ROWS if self.card else LOGIT_ROWS, tokens)
        in_loss = tokens * (self.number * d.hidden + chosen) + logits
        return tokens * kept, int(max(in_loss, tokens * self._back()))

    def _layer(self) -> int:
        """A token's, kept by one layer: its input and middle, their norms, what is small of the adapters, grouped q, k and v, attention weights of
        short rows (of a card's kernel its own result), the joined heads, gate and up; raw q and k where they are normed."""
        d = self.d
        q, kv = d.heads * d.head_dim, d.kv_heads * d.head_dim
        attention = q + 2 * d.heads if self.card else d.heads * self.length if self.length <= KEPT_ATTENTION else 0
        raw, norms = (q + 2 * kv, d.heads + d.kv_heads) if d.qk_norm else (0, 0)
        numbers = 2 * d.hidden + 2 * q + 2 * kv + raw + attention + 2 * d.intermediate + 7 * self.rank
        return self.number * numbers + 4 * (2 + norms)

    def _back(self) -> int:
        """A token's, while a layer goes back: in the feed-forward half or in attention, whichever is larger."""
        d = self.d
        return self.number * max(5 * d.intermediate + 5 * d.hidden, 4 * d.hidden + 4 * (d.heads + d.kv_heads) * d.head_dim)

    def by_autograd(self, checkpointing: bool) -> tuple[int, int]:
        """As `by_hand`, of what goes through transformers' layers on a processor: every operation keeps its inputs, attention in 32 bits too."""
        d, tokens = self.d, self.rows * self.length
        layer = _autograd_layer(d) * self.number // 2 + d.heads * self.length * (4 + self.number)
        kept = d.layers * self.number * d.hidden + layer if checkpointing else d.layers * layer
        return 0, int(tokens * (kept + LEARNED_SHARE * _autograd_logits(d)))


def _testing(d: Dimensions, length: int, number: int) -> int:
    """Of the rows set aside: a layer after the other, nothing is kept; attention in 32 bits beside its own; logits in 32 bits, their logarithms."""
    tokens = max(length, TESTED_TOKENS)
    layer = number * (4 * d.hidden + 4 * d.heads * d.head_dim + 3 * d.intermediate) + d.heads * length * (4 + 3 * number)
    return max(tokens * layer, tokens * number * d.hidden + TESTED_LOGITS * d.vocabulary * (number + 8))


def _autograd_layer(d: Dimensions) -> int:
    """A token's, kept by one of transformers' layers with fused attention: the 16-bit inputs of each operation."""
    return 2 * (12 * d.hidden + 3 * d.heads * d.head_dim + 2 * d.kv_heads * d.head_dim + 4 * d.intermediate)


def _autograd_logits(d: Dimensions) -> int:
    """A learned token's logits in 16 and 32 bits, their logarithms and the gradient."""
    return d.vocabulary * (2 + 4 + 4 + 4 + 2)


def _autocast_memory(d: Dimensions, recipe: Recipe, length: int, checkpointing: bool, paged: bool) -> Memory:
    """On a card where what learns has 32 bits; the rest 16, in full training as copies beside it."""
    full = recipe.method == "full"
    adapter = 0 if full else d.adapter_parameters(recipe.rank)
    learning = d.parameters() if full else adapter
    layer = _autograd_layer(d)
    kept = 2 * d.layers * d.hidden + layer if checkpointing else d.layers * layer
    tokens = recipe.micro_batch_size * length
    linear = d.linear_parameters() * (NF4_BYTES if recipe.method == "qlora" else 2)
    return Memory(
        weights=(4 + 2) * d.parameters() if full else int(linear + 2 * d.other_parameters()),
        adapter=4 * adapter,
        gradients=4 * learning,
        optimizer=(2 if paged else 8) * learning,
        activations=int(CARD_SAFETY * tokens * (kept + LEARNED_SHARE * _autograd_logits(d))),
        overhead=CARD_OVERHEAD,
    )


def sharded_memory(d: Dimensions, recipe: Recipe, longest: int, computing: Computing, cards: int) -> Memory:
    """Of one of several cards over which the base model is spread, by autograd, with inner values computed twice. Two layers are whole at once, the
    one that computes and the one that comes next, and the embedding or the head, which are one matrix in some models."""
    head = 2 * d.vocabulary * d.hidden  # what is frozen has 16 bits on every card
    layer = _weights(d, recipe.method, 2) // d.layers
    alone = _autocast_memory(d, recipe, min(longest, recipe.max_length), checkpointing=True, paged=False)
    adapter = d.adapter_parameters(recipe.rank)
    return Memory(
        weights=_weights(d, recipe.method, 2) // cards + 2 * layer + head,
        adapter=computing.number * adapter,
        gradients=computing.number * adapter,
        optimizer=(12 if computing.number == 2 else 8) * adapter,
        activations=alone.activations,
        overhead=CARD_OVERHEAD,
    )


def fit_to(dimensions: Dimensions, recipe: Recipe, longest: int, free: int, computing: Computing = Computing()) -> Way:
    """The first way that fits into `free` bytes with some to spare, of those that cost ever more time; where none does, the smallest."""
    ways = list(_ways(dimensions, recipe, longest, computing))
    return next((way for way in ways if way.memory.total() <= SAFE_SHARE * free), min(ways, key=lambda way: way.memory.total()))


def _ways(d: Dimensions, recipe: Recipe, longest: int, computing: Computing) -> Iterator[Way]:
    """All kept; fewer rows at once while enough tokens are left for the products to be worth their calls; all but each layer's input computed twice,
    which is a third more work, first with those and then with ever fewer rows; at last the paged optimizer, which alone may change a little of what
    is learned."""
    sizes = [recipe.micro_batch_size]
    while sizes[-1] > 1:
        sizes.append(sizes[-1] // 2)
    enough = [sizes[0], *(size for size in sizes[1:] if size * min(longest, recipe.max_length) >= ENOUGH_TOKENS)]
    kept_then_twice = [*((size, False) for size in enough), *((size, True) for size in (enough[-1], *sizes[len(enough) :]))]
    for paged in (False, True) if computing.device == "cuda" and recipe.method == "full" else (False,):
        for size, checkpointing in kept_then_twice:
            with_size = replace(recipe, micro_batch_size=size)
            yield Way(size, checkpointing, paged, training_memory(d, with_size, longest, computing, checkpointing, paged))


@dataclass(frozen=True)
class Work:
    """What a run computes: so many tokens over all epochs, in so many steps, on `cores` of a processor or on so many cards. (Several processes on a
    processor share its cores: no gain is counted.)"""

    recipe: Recipe
    dimensions: Dimensions
    tokens: int
    steps: int
    computing: Computing
    cores: int
    checkpointing: bool = False
    processes: int = 1
    sharded: bool = False

    def row_tokens(self) -> float:
        return self.tokens / (self.steps * self.recipe.batch_size)

    def learning_seconds(self) -> float:
        """By operations alone, until past runs say better."""
        counted = operations(self.dimensions, self.recipe.method, self.row_tokens(), self.checkpointing)
        at_once = self.recipe.micro_batch_size if self.computing.device == "cuda" else rows_at_once(self.recipe, max(1, int(self.row_tokens())))
        calls = self.steps * ceil(self.recipe.batch_size / at_once)
        alone = self.tokens * counted / self._rate() + calls * self.dimensions.layers * LAYER_SECONDS
        shared = self.computing.device == "cuda" and self.processes > 1 and not self.sharded  # of a spread model, sending may take what is gained
        return alone / (CARDS_EFFICIENCY * self.processes) if shared else alone

    def starting_seconds(self) -> float:
        """Until it learns: libraries, the model from its file, packed where it is to be."""
        by_processor = self.computing.device == "cpu" or self.sharded  # a model that is to be spread is packed in the machine's memory
        packed = self.dimensions.linear_parameters() / PACKED_A_SECOND if self.recipe.method == "qlora" and by_processor else 0
        return IMPORT_SECONDS + 2 * self.dimensions.parameters() / READ_A_SECOND + packed

    def testing_seconds(self, held_out_tokens: int) -> float:
        """The rows set aside scored and the watched questions answered during training, both models asked at the end."""
        forward = 2 * self.dimensions.parameters() / self._rate()
        answering = self.dimensions.parameters() * ANSWER_SECONDS * (1 if self.computing.device == "cpu" else 0.1)
        during = self.recipe.evaluations * (held_out_tokens * forward + answering) + (answering if self.recipe.evaluations else 0)
        return during + 2 * (held_out_tokens + ITEM_TOKENS) * forward + (TEST_ANSWERS * answering if self.recipe.held_out else 0)

    def _rate(self) -> float:
        if self.computing.device == "cuda":
            return CARD_RATE
        return self.cores * (CORE_RATE if self.computing.number == 2 else SLOW_CORE_RATE)


def operations(d: Dimensions, method: str, row_tokens: float, checkpointing: bool = False) -> float:
    """Multiplications and additions for one token: forward and back through the layers, a third pass for the weights' own gradients where the whole
    model learns, a fourth where inner values are computed twice; the head where a token carries loss; attention to all of the row."""
    passes = (3 if method == "full" else 2) + checkpointing
    head = (3 if method == "full" else 2) * LEARNED_SHARE * d.vocabulary * d.hidden
    attention = 2 * (3 + checkpointing) * d.layers * d.heads * d.head_dim * row_tokens
    return 2 * (passes * d.linear_parameters() + head + attention)


@dataclass(frozen=True)
class Past:
    """A run that was finished here, beside what arithmetic alone says of it."""

    model: str
    method: str
    predicted_bytes: int
    peak_bytes: int
    predicted_seconds: float
    seconds: float


def memory_correction(past: Sequence[Past], model: str, method: str) -> float:
    """What arithmetic is to be multiplied with, from the last runs of this method: of this model, else of any. `past` is in the order of time."""
    return _correction([run.peak_bytes / run.predicted_bytes for run in _like(past, model, method)], MEMORY_BOUNDS)


def time_correction(past: Sequence[Past], model: str, method: str) -> float:
    """As `memory_correction`, for the seconds of learning; a run of any method tells how fast this machine is."""
    runs = _like(past, model, method) or list(past)
    return _correction([run.seconds / run.predicted_seconds for run in runs], TIME_BOUNDS)


def _like(past: Sequence[Past], model: str, method: str) -> list[Past]:
    same = [run for run in past if run.method == method]
    return [run for run in same if run.model == model] or same


def _correction(ratios: Sequence[float], bounds: tuple[float, float]) -> float:
    """The middle of the last few, within bounds: a single run beside another program says little."""
    if not ratios:
        return 1.0
    return min(max(median(ratios[-LAST_RUNS:]), bounds[0]), bounds[1])
