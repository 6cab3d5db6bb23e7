"""A chat template with the options of a base model baked in, so that a model that leaves the app speaks everywhere as it was trained."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


def fixed(template: str, options: Mapping[str, Any]) -> str:
    """Renders, given no options, as `template` does with `options`; what a program gives in their place later has no effect.

    Values are those of JSON. Rendering is transformers' (jinja2 with trim_blocks and lstrip_blocks).
    """
    if not options:
        return template
    sets = "".join(f"{{%- set {name} = {_literal(value)} -%}}" for name, value in options.items())
    rest = template.lstrip()
    kept = _kept(template[: len(template) - len(rest)], rest)
    return sets + (f"{{{{- {_literal(kept)} -}}}}" if kept else "") + rest


def _kept(space: str, rest: str) -> str:
    """What is rendered of the white space at a template's beginning. The tags that are put before it would take it away."""
    if re.match(r"\{[{%#]-", rest):
        return ""
    if re.match(r"\{[%#](?!\+)", rest):
        return space.rstrip(" \t")
    return space


def _literal(value: Any) -> str:
    """As jinja2 writes it: of JSON's words only null has another name."""
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
