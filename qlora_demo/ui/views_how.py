"""What How it works says: the three methods in plain words, their numbers for a size of model, and what others measured."""

from __future__ import annotations

from dataclasses import dataclass

from qlora_demo.catalogue import Dimensions, Shape
from qlora_demo.estimate import Computing, Memory, operations, training_memory
from qlora_demo.recipe import METHOD_NAMES, METHODS, Recipe
from qlora_demo.ui.parts import esc, heading, size, table
from qlora_demo.ui.views_train import memory_bar

ROWS_AT_ONCE, ROW_TOKENS = 1, 512
RANK = 16
INTRO = (
    "A chat model is a very long list of numbers. Training changes numbers until its answers are closer to yours. "
    "The three methods differ in which numbers may change."
)
KEY = "Dashed frame: frozen, it stays as it is. Thick frame: it learns."

PRECISION = "Adapters are saved in 16 bits on newer processors, in 32 bits on older ones and on graphics cards."


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
        "The least: about a quarter of a large model, and a little for the adapter.",
        "Small. It holds the adapter alone and needs the same base model beside it.",
    ),
    Told(
        "LoRA: an adapter without packing",
        "The base model stays frozen and unpacked. The same kind of adapter learns.",
        "Models that fit into memory unpacked. On a processor it is usually the faster of the two.",
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

QLORA_PAPER = ("Dettmers et al., QLoRA: Efficient Finetuning of Quantized LLMs, 2023, arXiv 2305.14314", "https://arxiv.org/abs/2305.14314")
LORA_PAPER = ("Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021, arXiv 2106.09685", "https://arxiv.org/abs/2106.09685")
BENCHMARK = (
    "Hugging Face PEFT, method comparison, MetaMathQA",
    "https://github.com/huggingface/peft/tree/main/method_comparison/MetaMathQA/results",
)
CITED = (
    ("Memory to train 65 billion numbers in full, in 16 bits", "more than 780 GB", "QLoRA"),
    ("The same with QLoRA, as good as 16 bits in their tests, on one graphics card", "less than 48 GB", "QLoRA"),
    ("Test of knowledge (MMLU): trained in 16 bits, and packed to 4 bits (NF4)", "53.0 and 53.1 points", "QLoRA"),
    ("Memory to train 175 billion numbers (GPT-3): in full, and with LoRA", "1,200 GB and 350 GB", "LoRA"),
    ("What is saved of it: in full, and with LoRA", "350 GB and 35 MB", "LoRA"),
)
COMPARED = (
    ("LoRA, rank 32", "47.8 %", "22.3 GB", "942 s"),
    ("LoRA, rank 64", "47.4 %", "22.6 GB", "967 s"),
    ("Full", "47.2 %", "38.9 GB", "2,147 s"),
)
COMPARED_ON = (
    "Llama 3.2 3B, one NVIDIA L40S graphics card, 5,000 steps of 4 rows, published in July 2026. The score is the share of school mathematics "
    "questions answered right (GSM8K). Their run of June 2025 gave 48.2, 48.9 and 50.0 %: the scores change places, memory and time do not."
)
WORDS = (
    ("base model", "the model before training; yours is compared with it"),
    ("fine-tuning", "to train a finished model a little further, with your examples"),
    ("parameter", "one of the numbers that a model is made of"),
    ("adapter", "what was learned, as a small add-on file beside the base model"),
    ("rank", "how much room an adapter has"),
    ("quantised, 4-bit, NF4", "packed to about a quarter of its size, with a small loss"),
    ("frozen", "not changed by training"),
    ("token", "a word or a piece of one: what a model reads and writes"),
    ("epoch", "one time through all your data"),
    ("step", "some rows are read, then the numbers change once"),
    ("held-out rows", "set aside for testing; the model never learns from them"),
    ("checkpoint", "a saved point, from which a training can go on"),
)
HERE = Computing()


def sections() -> str:
    """The three methods: what, what for, and the cost in time, memory and file size."""
    return "".join(f'<div class="qd-how-part">{_section(told)}</div>' for told in SECTIONS)


def _section(told: Told) -> str:
    facts = (("Good for", told.good_for), ("Time", told.time), ("Memory", told.memory), ("File", told.file))
    listed = "".join(f"<div><dt>{esc(name)}</dt><dd>{esc(value)}</dd></div>" for name, value in facts)
    return f'{heading(told.title, 3)}<p>{esc(told.what)}</p><dl class="qd-how-facts">{listed}</dl>'


def numbers(shape: Shape, machine: str, free_bytes: int, all_bytes: int, computing: Computing) -> str:
    """All figures of one size, and which of the methods fit into the memory that is free on `machine`."""
    d = shape.dimensions
    adapter = d.adapter_parameters(RANK)
    rows: list[tuple[object, ...]] = [
        ("Numbers in the model (parameters)", f"{d.parameters():,}"),
        (f"Numbers that learn in an adapter of rank {RANK}, and their share", f"{adapter:,} ({100 * adapter / d.parameters():.2g} %)"),
        ("Base model in 16 bits", size(memory(d, "lora").weights)),
        ("Base model packed to 4 bits (NF4; its word list stays in 16)", size(memory(d, "qlora").weights)),
        ("Adapter file, in 16 or 32 bits", f"{size(2 * adapter)} or {size(4 * adapter)}"),
        ("File of full training, in 16 bits", size(2 * d.parameters())),
        ("Calculations of full training beside LoRA", f"{_effort(d, 'full') / _effort(d, 'lora'):.1f} times as many"),
    ]
    bars = "".join(memory_bar(METHOD_NAMES[method], memory(d, method, computing).total(), free_bytes) for method in METHODS)
    counted = f"Calculated from the dimensions of {shape.of}. {PRECISION}"
    free = f"Here {size(free_bytes)} of {size(all_bytes)} are free now ({machine}). One row of {ROW_TOKENS} tokens (word pieces) is read at once."
    return (
        f'<p class="qd-small">{esc(counted)}</p>{table(("", ""), rows)}{heading("Memory to train it", 3)}'
        f'<p class="qd-small">{esc(free)}</p><div class="qd-bars">{bars}</div>'
    )


def memory(d: Dimensions, method: str, computing: Computing = HERE) -> Memory:
    """Of a training with short rows, one at a time: the least that the method takes."""
    recipe = Recipe(method=method, rank=RANK, batch_size=ROWS_AT_ONCE, micro_batch_size=ROWS_AT_ONCE)
    return training_memory(d, recipe, ROW_TOKENS, computing)


def _effort(d: Dimensions, method: str) -> float:
    """Time of a row by arithmetic alone, to be compared with another method's."""
    return operations(d, method, ROW_TOKENS)


def measured_by_others() -> str:
    """Figures of two papers and of PEFT's benchmark, with their hardware and sources."""
    sources = (QLORA_PAPER, LORA_PAPER, BENCHMARK)
    links = "".join(f'<p><a href="{esc(url)}" target="_blank" rel="noopener noreferrer">{esc(name)}</a></p>' for name, url in sources)
    return (
        f"<p>These are other people's figures. None was measured here.</p>{table(('', 'Figure', 'Paper'), list(CITED))}"
        f"{heading('The methods beside each other', 3)}{table(('Method', 'Score', 'Memory', 'Time'), list(COMPARED))}"
        f'<p class="qd-small">{esc(COMPARED_ON)}</p>{heading("Sources", 3)}{links}'
    )


def words() -> str:
    """The terms, each in plain words."""
    return '<dl class="qd-how-words">' + "".join(f"<dt>{esc(term)}</dt><dd>{esc(meaning)}</dd>" for term, meaning in WORDS) + "</dl>"
