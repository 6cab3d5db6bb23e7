"""The model card of a finished model: README.md for the form that it is taken along in. Nothing in it is a row of the data, a place or a person."""

from __future__ import annotations

import re
import string
from dataclasses import fields

from huggingface_hub import ModelCardData

from qlora_demo.data.language import NAMES
from qlora_demo.export.about import ADAPTER, GGUF, GGUF_ADAPTER, MERGED, About, Tested, used_as
from qlora_demo.export.usage import gguf_name, ways
from qlora_demo.recipe import Recipe, help_of

PROJECT = "Train your own chat model"
RELATIONS = {ADAPTER: "adapter", GGUF_ADAPTER: "adapter", MERGED: "finetune", GGUF: "quantized"}
LIBRARIES = {ADAPTER: "peft", MERGED: "transformers"}
"""By whose names the model hub knows them; GGUF files it knows by themselves."""
KINDS = {"conversations": "questions with answers", "labels": "texts with labels", "passages": "passages of a text"}
GOALS = {
    "character": "to answer in the manner of the answers it was given",
    "sorting": "to sort texts by label",
    "summary": "to shorten texts",
    "code": "to write code",
    "subject": "to know a subject, from a text about it",
}
WITHOUT_ADAPTER = ("rank", "alpha", "dropout")
SHOWN_ELSEWHERE = ("model", "method", "system_prompt")


def card(about: About, form: str, source: str = "") -> str:
    """README.md for a form's key (export/forms.py). `source` is where the examples say that the files are, see `usage.ways`; without one it is what
    the app calls them."""
    used = used_as(form)
    files = {ADAPTER: "adapter", MERGED: "model"}.get(used) or gguf_name(about.name, form)
    parts = [
        f"# {plain(about.name)}",
        _what(about, used),
        _base(about),
        _data(about),
        _test(about.tested),
        _limits(about),
        _use(about, used, source or files),
        _recipe(about),
        _license(about),
        _made_with(about),
    ]
    return f"---\n{_head(about, used)}\n---\n\n" + "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """A person's text on one line of markdown, read as it was written: no mark-up, no html, no link, no sign that cannot be seen."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return "".join(f"&#{ord(char)};" if char in string.punctuation and char not in ",.'()" else char for char in line).replace("www.", "www&#46;")


def fenced(code: str, language: str) -> str:
    """Code as it is, whatever backticks are in it."""
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code.rstrip()}\n{fence}"


def _head(about: About, form: str) -> str:
    method = {"full": "full-finetuning"}.get(about.method, about.method)
    head = ModelCardData(
        base_model=about.base.published(),
        base_model_relation=RELATIONS[form],
        library_name=LIBRARIES.get(form),
        pipeline_tag="text-generation",
        language=about.language or None,
        license=about.license(),
        tags=[method, "sft", *(["gguf"] if form in (GGUF, GGUF_ADAPTER) else [])],
    )
    return head.to_yaml()


def _what(about: About, form: str) -> str:
    made = {
        ADAPTER: "This is what it learned, as an add-on file (adapter). It needs its base model beside it.",
        GGUF_ADAPTER: "This is what it learned, as a GGUF file (adapter). It needs its base model as a GGUF file beside it.",
        MERGED: "This is the whole model in 16 bits. It needs no other file.",
        GGUF: "This is the whole model as a GGUF file, for Ollama, llama.cpp and programs that are built on them.",
    }
    early = " Its training was ended early; what it had learned by then is here." if about.ended_early else ""
    return f"A chat model that learned {GOALS[about.goal]}. It began as {about.base.published()}. {made[form]}{early}"


def _base(about: About) -> str:
    base, revision = about.base.published(), about.base_revision()
    said = [f"[{base}](https://huggingface.co/{base})" + (f", revision `{revision}`." if revision else ".")]
    if about.base.bundled():
        said.append("It learned on a copy whose weights were rounded to 4 bits and given back in 16.")
        said.append("Beside the published weights, answers may differ in places.")
    if about.method == "qlora":
        said.append("While this model learned, the base was packed to 4 bits (NF4, double quantisation) and stayed as it was.")
    return "## Base model\n\n" + " ".join(said)


def _data(about: About) -> str:
    rows = [("Kind", KINDS[about.kind] + (f", {about.labels} labels" if about.labels else ""))]
    rows += [("Rows it learned from", f"{about.learned:,}")] if about.learned is not None else []
    rows += [("Rows set aside for the test, never learned", f"{about.held_out:,}")] if about.held_out is not None else []
    rows += [("Language", NAMES.get(about.language, "not known"))]
    return "## Data\n\nThe data itself is not part of this.\n\n" + _table(("", ""), rows)


def _test(tested: Tested | None) -> str:
    if tested is None:
        return "## Test\n\nNo row was set aside and asked at the end, so nothing is known about how well it learned."
    lines = ["## Test", "", f"The page on which it was trained says: {plain(tested.verdict)}", ""]
    if tested.figures:
        lines += [f"Base model and trained model on the same {tested.rows:,} rows, which neither has learned:", ""]
        rows = [(f"{f.name}: {f.words}", _with_range(f.before, f.before_range), _with_range(f.after, f.after_range)) for f in tested.figures]
        lines += [_table(("What was measured", "Before", "After"), rows), ""]
        if any(f.before_range for f in tested.figures):
            lines += ["In brackets: where the figure would likely be (95 %) with other rows of the same kind.", ""]
    if tested.kept is not None:
        lines += [f"Of {tested.general} questions of general knowledge that the base model gets right, it still gets {tested.kept} right.", ""]
    return "\n".join(lines).rstrip()


def _with_range(value: str, edges: str) -> str:
    return f"{value} ({edges})" if edges else value


def _limits(about: About) -> str:
    rows = f"It learned from {about.learned:,} rows" if about.learned is not None else "It learned from a small data set"
    return (
        f"## Limits\n\n- It may be wrong and sound sure. Check facts before anybody relies on them.\n"
        f"- {rows}. What is unlike them, it answers much as the base model does.\n"
        "- It may repeat what stood in its data, word for word.\n"
        "- All limits and leanings of the base model are its own too."
    )


def _use(about: About, form: str, source: str) -> str:
    parts = ["## How to use it"]
    parts += [f"Learned with this instruction (system prompt):\n\n{fenced(about.system_prompt, 'text')}"] if about.system_prompt else []
    for way in ways(about, form, source):
        note = f"\n\n{way.note}" if way.note else ""
        parts.append(f"### {way.title}\n\n{way.needs}\n\n{fenced(way.code, 'sh' if way.language == 'shell' else way.language)}{note}")
    return "\n\n".join(parts)


def _recipe(about: About) -> str:
    left_out = (*SHOWN_ELSEWHERE, *(WITHOUT_ADAPTER if about.method == "full" else ()))
    values = about.recipe.to_json()
    rows = [("Method", about.method_name())]
    rows += [(help_of(f.name).label, _value(values[f.name])) for f in fields(Recipe) if f.name not in left_out]
    rows += [("Steps taken", f"{about.steps:,}")] if about.steps else []
    rows += [("Error (loss) on the rows it learned from", f"{about.train_loss:.3f}")] if about.train_loss is not None else []
    rows += [("Error (loss) on the rows set aside", f"{about.held_out_loss:.3f}")] if about.held_out_loss is not None else []
    return "## How it was trained\n\n" + _table(("Setting", "Value"), rows)


def _value(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, int | float) else str(value)


def _license(about: About) -> str:
    return (
        f"## Licence\n\nThe base model is under {about.license()}, which holds for what was made of it. "
        "Whoever trained this model answers for the rights in the data it learned from."
    )


def _made_with(about: About) -> str:
    versions = ", ".join(f"{library} {version}" for library, version in sorted(about.versions.items()))
    when = f" on {about.date()}" if about.date() else ""
    return f"## Made with\n\n{PROJECT}{when}" + (f", with {versions}." if versions else ".")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)
