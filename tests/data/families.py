"""Small tokenizers with the special tokens and the chat template of each family of base models; and the plain way to render with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from qlora_demo.data.conversation import Conversation, Message
from qlora_demo.data.rendering import IGNORED, Renderer

TEMPLATES = Path(__file__).parent / "templates"
LINES = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SENTENCES = (
    "The keeper lights the lamp when the sea is quiet. You are a helpful assistant.",
    "Do you deliver on Sundays? Yes, between 10 and 14, in town.",
    "Straße, déjà vu, naïve façade. 灯台は夜に光る。 Маяк светит ночью.",
    "user system assistant model Today Date: Cutting Knowledge Date",
    "a\n\n\nb\n\n  c\n   d\n\n\n   e" * 5,
)


@dataclass(frozen=True)
class Family:
    """`end` is what ends a turn, which need not be `eos`. `added` are tokens of its own that are not special; `words` is how the
    tokenizer finds words: "lines" (line breaks apart from other spaces), "gpt2", or "metaspace"."""

    name: str
    special: tuple[str, ...]
    end: str
    eos: str
    bos: str | None = None
    added: tuple[str, ...] = ()
    words: str = "lines"
    eats_spaces: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    has_system_role: bool = True
    one_row: bool = True

    def template(self) -> str:
        return (TEMPLATES / f"{self.name}.jinja").read_text(encoding="utf-8")


QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
LLAMA = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>")
FAMILIES = (
    Family("qwen2_5", QWEN, "<|im_end|>", "<|im_end|>", added=("<tool_call>", "</tool_call>", "<|fim_prefix|>")),
    Family("qwen3", QWEN, "<|im_end|>", "<|im_end|>", added=("<think>", "</think>"), options={"enable_thinking": False}, one_row=False),
    Family("llama3", LLAMA, "<|eot_id|>", "<|end_of_text|>", "<|begin_of_text|>"),
    Family("llama3_2", LLAMA, "<|eot_id|>", "<|eot_id|>", "<|begin_of_text|>", options={"date_string": "26 Jul 2024"}),
    Family(
        "gemma",
        ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        "<end_of_turn>",
        "<eos>",
        "<bos>",
        added=("\n", "\n\n", "  ", "<table>"),
        has_system_role=False,
    ),
    Family("mistral", ("<s>", "</s>", "[INST]", "[/INST]"), "</s>", "</s>", "<s>", words="metaspace", has_system_role=False),
    Family(
        "phi3",
        ("<s>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        "<|end|>",
        "<|endoftext|>",
        "<s>",
        words="metaspace",
        eats_spaces=True,
    ),
    Family("smollm2", QWEN, "<|im_end|>", "<|im_end|>", "<|im_start|>", words="gpt2"),
)


@cache
def tokenizer(name: str) -> PreTrainedTokenizerBase:
    family = next(one for one in FAMILIES if one.name == name)
    bpe = metaspace_tokenizer() if family.words == "metaspace" else bytes_tokenizer(family.words)
    bpe.add_special_tokens([AddedToken(text, rstrip=family.eats_spaces and text != family.bos) for text in family.special])
    bpe.add_tokens([AddedToken(text, normalized=False) for text in family.added])
    names = {"eos_token": family.eos, "pad_token": family.special[0]} | ({"bos_token": family.bos} if family.bos else {})
    return PreTrainedTokenizerFast(tokenizer_object=bpe, chat_template=family.template(), **names)


def bytes_tokenizer(words: str) -> Tokenizer:
    """As Qwen, Llama 3 and SmolLM have it."""
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    apart = pre_tokenizers.Split(Regex(LINES), "isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words == "gpt2")
    bpe.pre_tokenizer = as_bytes if words == "gpt2" else pre_tokenizers.Sequence([apart, as_bytes])
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return bpe


def metaspace_tokenizer() -> Tokenizer:
    """As Mistral and Phi-3 have it: a space before the first word of a text, and bytes for characters that it does not know."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    bpe.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=400))
    learned = json.loads(bpe.to_str())["model"]
    vocabulary = {f"<0x{number:02X}>": number for number in range(256)}
    vocabulary |= {text: number + 256 for text, number in learned["vocab"].items()}
    bpe.model = models.BPE(vocabulary, [tuple(pair) for pair in learned["merges"]], byte_fallback=True)
    spaces = decoders.Strip(content=" ", left=1, right=0)
    bpe.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), spaces])
    return bpe


def renderer(family: Family, system_prompt: str = "") -> Renderer:
    return Renderer(tokenizer(family.name), family.options, system_prompt)


def chat(*turns: str, system: str = "") -> Conversation:
    """Question and answer in turn."""
    roles = ("user", "assistant")
    begin = (Message("system", system),) if system else ()
    return Conversation((*begin, *(Message(roles[i % 2], text) for i, text in enumerate(turns))))


def plain_rows(family: Family, messages: Sequence[Message]) -> list[tuple[list[int], list[int]]]:
    """The definition: (ids, labels) with one call of the template for each prompt, each answer and the whole."""
    turns = [{"role": m.role, "content": m.content} for m in messages]
    if turns[0]["role"] == "system" and not family.has_system_role:
        turns[1]["content"] = f"{turns[0]['content']}\n\n{turns[1]['content']}"
        turns = turns[1:]
    end = tokenizer(family.name).convert_tokens_to_ids(family.end)
    whole, rows = plain_ids(family, turns), []
    for number, turn in enumerate(turns):
        if turn["role"] == "assistant":
            prompt, full = plain_ids(family, turns[:number], True), plain_ids(family, turns[: number + 1])
            assert full[: len(prompt)] == prompt
            stop = len(full) - full[::-1].index(end)
            rows.append((full[:stop], [IGNORED] * len(prompt) + full[len(prompt) : stop]))
    if not all(whole[: len(ids)] == ids for ids, _ in rows):
        return rows
    labels = [IGNORED] * len(rows[-1][0])
    for _, answer in rows:
        labels = [label if new == IGNORED else new for label, new in zip(labels, answer + [IGNORED] * (len(labels) - len(answer)), strict=True)]
    return [(rows[-1][0], labels)]


def plain_ids(family: Family, turns: Sequence[Mapping[str, str]], answer_follows: bool = False) -> list[int]:
    encoded = tokenizer(family.name).apply_chat_template(
        list(turns),
        tokenize=True,
        return_dict=True,
        add_generation_prompt=answer_follows,
        sanitize_control_tokens=True,
        **family.options,
    )
    return list(encoded["input_ids"])
