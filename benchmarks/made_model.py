"""A model made from a configuration, with random weights: everything about speed and memory is real, and nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from qlora_demo.catalogue import Dimensions

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def dimensions(hidden: int, layers: int, vocabulary: int = 32_000) -> Dimensions:
    """The shape of TinyLlama (hidden 2048, 22 layers: 1.03 billion parameters, as the head is tied), narrower or flatter."""
    heads = max(1, hidden // 64)
    return Dimensions(hidden, layers, hidden * 11 // 4, heads, max(1, heads // 8), min(64, hidden), vocabulary)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, with a ChatML template: it needs no training and no file."""
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    bytewise = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bytewise.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.decoder = decoders.ByteLevel()
    pad, start, end = SPECIAL
    made = PreTrainedTokenizerFast(tokenizer_object=bytewise, eos_token=end, pad_token=pad, chat_template=CHATML)
    made.add_special_tokens({"additional_special_tokens": [start]})
    return made


def save_made_model(folder: Path, shape: Dimensions, tokenizer: PreTrainedTokenizerBase, spread: float = 0.02) -> None:
    """A Llama of this shape in bf16 with its tokenizer, as a standard folder. The same weights every time.

    `spread` is their standard deviation: at the usual 0.02 an untrained model repeats the last token it read, at 0.1 it babbles.
    """
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=4096,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        initializer_range=spread,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
