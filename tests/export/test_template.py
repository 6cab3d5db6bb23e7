"""A template with its options baked in renders as the template did with them, to the last space."""

from __future__ import annotations

import pytest
from data.families import FAMILIES, tokenizer
from transformers import PreTrainedTokenizerBase

from qlora_demo.export.template import fixed

TALKS = (
    [{"role": "user", "content": "One?"}],
    [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "Two."}, {"role": "user", "content": "Three?"}],
    [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "<think>\nHm\n</think>\n\nTwo."}],
)
BODY = (
    "{%- for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{%- if add_generation_prompt %}<assistant>{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}{% endif %}"
)
MACRO = "{%- macro mark() %}{{ 'short' if mode == 'short' else 'long' }}{% endmacro %}{% for m in messages %}{{ mark() }}{{ m.content }}{% endfor %}"
DEFAULT = "{% if enable_thinking is not defined %}{% set enable_thinking = true %}{% endif %}{{ enable_thinking }}{{ messages[0].content }}"
STARTS = (
    "",
    "\n",
    "  ",
    " \n  ",
    "{# a comment #}\n",
    "\n{#- another -#}\n",
    "text ",
    "  text",
    "\n\t{{ 'x' }}",
    "{%+ set a = 1 %}\n",
    "  {%+ set a = 1 %}\n",
)
OPTIONS = ({"enable_thinking": False}, {"enable_thinking": True}, {"enable_thinking": False, "mode": "short", "level": 3, "nothing": None})


def rendered(template: str, options: dict, of: PreTrainedTokenizerBase) -> list[str]:
    return [
        of.apply_chat_template(talk, chat_template=template, tokenize=False, add_generation_prompt=follows, **options)
        for talk in TALKS
        for follows in (talk[-1]["role"] == "user",)
    ]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("rest", [BODY, MACRO, DEFAULT, BODY.replace("{%- for", "{% for", 1)])
@pytest.mark.parametrize("options", OPTIONS)
def test_what_was_an_option_is_the_template(start: str, rest: str, options: dict) -> None:
    of, template = tokenizer("qwen3"), start + rest
    assert rendered(fixed(template, options), {}, of) == rendered(template, options, of)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_familys_template(family) -> None:
    of, template = tokenizer(family.name), family.template()
    options = {**family.options, "enable_thinking": False}
    assert rendered(fixed(template, options), {}, of) == rendered(template, options, of)


def test_the_option_makes_the_difference_here_and_cannot_be_undone() -> None:
    of, template = tokenizer("qwen3"), tokenizer("qwen3").chat_template
    off, on = ({"enable_thinking": value} for value in (False, True))
    assert rendered(template, off, of) != rendered(template, on, of)
    assert rendered(fixed(template, off), on, of) == rendered(template, off, of)


@pytest.mark.parametrize("value", ["it's", 'a "b"', "back\\slash", "{{ x }} {% y %}", "line\nbreak", "你好 👩"])
def test_texts_are_options_too(value: str) -> None:
    of = tokenizer("qwen3")
    assert rendered(fixed("{{ mode }}", {"mode": value}), {}, of) == [value] * 3


def test_no_options_change_nothing() -> None:
    assert fixed(" {# x #}\n{{ y }}", {}) == " {# x #}\n{{ y }}"
