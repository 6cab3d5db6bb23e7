"""The Modelfile of a GGUF file: its chat template in Ollama's own language (Go's text/template), found by asking the tokenizer's template.

The template is given conversations of words that no template holds. What it writes between them are the pieces. Other conversations are then put
together from the pieces and compared with what the template makes of them; where they differ, the Modelfile has no TEMPLATE and says so.
A template that trims a message's ends does so here too, and Ollama does not: that is the one difference that is let pass.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from qlora_demo.data.rendering import Renderer
from qlora_demo.export.about import About
from qlora_demo.export.usage import MODEL_FILE, short_name, triple_quoted

Turns = Sequence[tuple[str, str]]
"""(role, content), without a system prompt."""
Render = Callable[[str, Turns, bool], str]
"""The template's text for a system prompt ("" for none) and turns; whether an answer is to follow."""
SYSTEM, QUESTION, ANSWER, NEXT, DATE = "qvorax", "zumtil", "wexbor", "jyplex", "kwanzor"
NO_CLOCK = "{%- macro strftime_now(form) -%}" + DATE + "{%- endmacro -%}"
"""What a template that asks for the time is told."""
OWN_TURN, FIRST_QUESTION, LAST_QUESTION = "own turn", "first question", "last question"
JOINT = "\n\n"
"""Between a system prompt and the question that it stands in, where the template has no place for one: as data/rendering.py does it."""
PROOFS: tuple[tuple[str, Turns], ...] = (
    ("", (("user", "What is {{ .System }}?\nTell me."),)),
    ("Speak {{short}}ly.\n\nAlways.", (("user", "One"), ("assistant", "Two,\nthree"), ("user", "“Four” & <five>"))),
    ("", (("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "e"))),
    ("Say no.", (("user", "Ünïcödé 中文?"),)),
)


@dataclass(frozen=True)
class Pieces:
    """A chat template in pieces. `opening` is what comes first where no system prompt is given; `place` says where one stands: in a turn of its own,
    between `before` and `after`, or in a question, with `joint` between."""

    opening: str
    place: str
    before: str
    after: str
    joint: str
    user: tuple[str, str]
    assistant: tuple[str, str]
    prompt: str

    def default_system(self) -> str:
        """The template's own system prompt, "" for none."""
        inside = len(self.opening) - len(self.before) - len(self.after)
        if self.place != OWN_TURN or inside <= 0 or not (self.opening.startswith(self.before) and self.opening.endswith(self.after)):
            return ""
        return self.opening[len(self.before) : len(self.opening) - len(self.after)]

    def text(self, system: str, turns: Turns) -> str:
        """What is written for a conversation, as the Go template does."""
        questions = [place for place, (role, _) in enumerate(turns) if role == "user"]
        holder = {OWN_TURN: -1, FIRST_QUESTION: questions[0], LAST_QUESTION: questions[-1]}[self.place] if system else -1
        parts = [f"{self.before}{system}{self.after}" if system and self.place == OWN_TURN else self.opening]
        for place, (role, content) in enumerate(turns):
            head, tail = self.user if role == "user" else self.assistant
            parts.append(head + (system + self.joint if place == holder else "") + content + tail)
        return "".join(parts) + self.prompt

    def go_template(self, instruction: str = "") -> str:
        """For Ollama. `instruction` is used where no system prompt is given, in place of the template's own."""
        own = literal(self.before + instruction + self.after) if instruction else literal(self.opening)
        if self.place == OWN_TURN:
            start = "{{ if .System }}" + literal(self.before) + "{{ .System }}" + literal(self.after) + "{{ else }}" + own + "{{ end }}"
            return start + self._turns("", "")
        default = "{{ else }}" + literal(instruction + self.joint) if instruction else ""
        system = "{{ if $.System }}{{ $.System }}" + literal(self.joint) + default + "{{ end }}"
        if self.place == FIRST_QUESTION:
            held = "{{ if $first }}" + system + "{{ end }}{{ $first = false }}"
            return "{{ $first := true }}" + literal(self.opening) + self._turns(held, "")
        return literal(self.opening) + self._turns("{{ if eq (len (slice $.Messages $i)) 1 }}" + system + "{{ end }}", "$i, $_ := ")

    def _turns(self, in_question: str, counted: str) -> str:
        user = literal(self.user[0]) + in_question + "{{ .Content }}" + literal(self.user[1])
        assistant = literal(self.assistant[0]) + "{{ .Content }}" + literal(self.assistant[1])
        branches = '{{ if eq .Role "user" }}' + user + '{{ else if eq .Role "assistant" }}' + assistant + "{{ end }}"
        return "{{ range " + counted + ".Messages }}" + branches + "{{ end }}" + literal(self.prompt)


def modelfile(tokenizer: PreTrainedTokenizerBase, about: About, gguf_name: str) -> str:
    """The text of a Modelfile that lies beside the GGUF file of that name."""
    options = about.base.template_options
    render = renderer_of(tokenizer, options)
    pieces = pieces_of(render)
    lines = [f"# In this folder: ollama create {short_name(about.name)} -f {MODEL_FILE}", f"FROM ./{gguf_name}"]
    lines += _template_and_system(pieces, about.system_prompt)
    if pieces and DATE in renderer_of(tokenizer, options, NO_CLOCK + tokenizer.chat_template)("", PROOFS[0][1], True):
        lines.insert(1, "# Its chat template names the date. This file holds the day on which it was made.")
    lines += [f"PARAMETER stop {_quoted(token)}" for token in end_tokens(tokenizer, options)]
    return "\n".join(lines) + "\n"


def _template_and_system(pieces: Pieces | None, instruction: str) -> list[str]:
    quoted = triple_quoted(instruction) if instruction else None
    if pieces is None:
        said = ["# Its chat template cannot be put into Ollama's language. Ollama looks for one of its own that is like it."]
        if instruction and not quoted:
            said.append("# The instruction that it learned with has signs that cannot stand here. Give it with /set system.")
        return [*said, *([f"SYSTEM {quoted}"] if quoted else [])]
    if instruction and not quoted:
        return [f'TEMPLATE """{pieces.go_template(instruction)}"""']
    system = quoted or (triple_quoted(pieces.default_system()) if pieces.default_system() else None)
    return [f'TEMPLATE """{pieces.go_template()}"""', *([f"SYSTEM {system}"] if system else [])]


def end_tokens(tokenizer: PreTrainedTokenizerBase, options: Mapping[str, Any]) -> list[str]:
    """What ends an answer: the template's end of turn, and the tokenizer's end of a text."""
    turn = Renderer(tokenizer, options).end_of_turn
    found = [tokenizer.convert_ids_to_tokens(turn)] if turn is not None else []
    return list(dict.fromkeys([*found, *([tokenizer.eos_token] if tokenizer.eos_token else [])]))


def renderer_of(tokenizer: PreTrainedTokenizerBase, options: Mapping[str, Any], template: str | None = None) -> Render:
    """Without the beginning of a text (BOS) where the tokenizer adds it by itself: so do llama.cpp and Ollama. `template` stands in for its own."""
    bos = tokenizer.bos_token or ""
    added = bos if bos and tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id else ""

    def render(system: str, turns: Turns, answer_follows: bool) -> str:
        talk = [{"role": role, "content": content} for role, content in turns]
        if system:
            talk.insert(0, {"role": "system", "content": system})
        text = tokenizer.apply_chat_template(talk, chat_template=template, tokenize=False, add_generation_prompt=answer_follows, **options)
        return text.removeprefix(added)

    return render


def pieces_of(render: Render) -> Pieces | None:
    """None where the template cannot be put together from pieces."""
    try:
        head, asked, said, tail = _between(render("", (("user", QUESTION), ("assistant", ANSWER), ("user", NEXT)), True), QUESTION, ANSWER, NEXT)
        after_question = render("", (("user", QUESTION),), False).rpartition(QUESTION)[2]
        after_answer = render("", (("user", QUESTION), ("assistant", ANSWER)), False).rpartition(ANSWER)[2]
    except (TemplateError, ValueError):
        return None
    if not (asked.startswith(after_question) and tail.startswith(after_question)):
        after_question = os.path.commonprefix([asked, tail])
    if not (said.startswith(after_answer) and head.endswith(said.removeprefix(after_answer))):
        after_answer = said.removesuffix(_common_end(said, head))
    before_question = said.removeprefix(after_answer)
    user, assistant = (before_question, after_question), (asked.removeprefix(after_question), after_answer)
    opening, prompt = head.removesuffix(before_question), tail.removeprefix(after_question)
    found = _with_system(render, Pieces(opening, FIRST_QUESTION, "", "", JOINT, user, assistant, prompt))
    return found if found and all(found.text(*proof) == _proof(render, found, *proof) for proof in PROOFS) else None


def _with_system(render: Render, without: Pieces) -> Pieces | None:
    """Where the system prompt stands. A template that refuses one or leaves it out gets it in the first question."""
    try:
        text = render(SYSTEM, (("user", QUESTION), ("assistant", ANSWER), ("user", NEXT)), True)
    except TemplateError:
        return without
    if SYSTEM not in text:
        return without
    before, _, behind = text.partition(SYSTEM)
    between = behind[: behind.find(QUESTION if QUESTION in behind else NEXT)]
    base = (without.opening, without.user, without.assistant, without.prompt)
    if QUESTION not in behind:
        return Pieces(base[0], LAST_QUESTION, "", "", between, *base[1:])
    if before == without.opening + without.user[0]:
        return Pieces(base[0], FIRST_QUESTION, "", "", between, *base[1:])
    return Pieces(base[0], OWN_TURN, before, between.removesuffix(without.user[0]), "", *base[1:])


def _proof(render: Render, pieces: Pieces, system: str, turns: Turns) -> str:
    """The template's own text, "" where it refuses the conversation."""
    try:
        text = render(system, turns, True)
        if not system or system in text:
            return text
    except TemplateError:
        if not system:
            return ""
    (_, question), *others = turns
    return render("", (("user", system + pieces.joint + question), *others), True)


def _between(text: str, *words: str) -> list[str]:
    """The pieces before, between and after words that must each be there once, in this order. Raises ValueError."""
    pieces = []
    for word in words:
        if text.count(word) != 1:
            raise ValueError(f"{word} is there {text.count(word)} times")
        piece, _, text = text.partition(word)
        pieces.append(piece)
    return [*pieces, text]


def _common_end(a: str, b: str) -> str:
    return os.path.commonprefix([a[::-1], b[::-1]])[::-1]


def literal(text: str) -> str:
    """A text in a Go template in a Modelfile: as it is, or as a string of Go where one of the two would read it otherwise."""
    seen = all(char.isprintable() or char == "\n" for char in text)
    if seen and "{{" not in text and not text.endswith("{") and '"""' not in text:
        return text
    return '{{ "' + "".join(_in_go(char) for char in text) + '" }}'


def _in_go(char: str) -> str:
    short = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\"}.get(char)
    if short:
        return short
    code = ord(char)
    if 32 <= code < 127:
        return char
    if 0xD800 <= code < 0xE000:
        return "\\ufffd"  # half a character, which no file can hold
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _quoted(token: str) -> str:
    return f'"""{token}"""' if '"' in token else f'"{token}"'
