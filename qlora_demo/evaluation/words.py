"""A report in words: the sentences that the page and the terminal share, and a whole report as lines for a terminal. Pure."""

from __future__ import annotations

from typing import Any

SCORES = {
    "loss": "error",
    "perplexity": "perplexity",
    "exact_match": "exactly right",
    "accuracy": "right label",
    "macro_f1": "each label alike (macro-F1)",
    "chrf": "closeness (chrF)",
    "token_f1": "shared words (token F1)",
    "words": "words in an answer",
    "repeated": "said again (repeated 4-grams)",
}
PICKS = {"best": "Closest to your own answer", "worst": "Furthest from your own answer", "changed": "Changed most by training"}
SORTED_PICKS = {"best": "Sorted right", "worst": "Sorted wrong", "changed": "Changed by training"}
NO_LABEL = "another text"
LONGEST = 300
"""Characters of an answer in a terminal."""


def sample(report: dict[str, Any]) -> str:
    """Which of the rows were tested, and why not all; "" where nothing was, or it is not known."""
    found = report["sample"]
    if found is None:
        return ""
    tested, of, rows = found["tested"], found["of"], f"rows {report['where']}"
    left = of - tested - found["too_long"]
    said = [f"Tested on {tested} of the {of} {rows}, drawn at random." if left > 0 else f"Tested on {_all(tested, rows)}."]
    if found["too_long"]:
        said.append(f"{found['too_long']} {'is' if found['too_long'] == 1 else 'are'} longer than the longest row that it reads.")
    if found["time_over"]:
        said.append("More would have taken too long here.")
    return " ".join(said)


def _all(count: int, rows: str) -> str:
    return f"all {count} {rows}" if count > 1 else f"the one row {rows.removeprefix('rows ')}"


def knowledge(report: dict[str, Any]) -> str:
    """What is left of general knowledge, and what to change where that is little; "" where it was not measured."""
    kept = report["forgetting"]
    if not kept:
        return ""
    said = f"Still knows general things: {kept['kept']} of {kept['of']} kept."
    low = " That is low. Smaller changes (learning rate) or fewer times through your data (epochs) keep more."
    return said + (low if kept["low"] else "")


def picks(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(why, answer) of those to read first."""
    names = SORTED_PICKS if report["kind"] == "sorting" else PICKS
    return [(name, report["answers"][at]) for key, name in names.items() if (at := report["picked"][key]) is not None]


def in_words(report: dict[str, Any]) -> str:
    """The verdict, the numbers behind it, what is still known, what to read first, and what would help as an option of `train`."""
    lines = [report["verdict"], sample(report), *_scores(report), *_interval(report), *_code(report), *_confusion(report)]
    lines += [knowledge(report), *_picks(report)]
    advice = report["advice"]
    if advice:
        lines.append(f"{advice['button']}: " + " ".join(f"--set {name}={value}" for name, value in advice["changes"].items()))
    return "\n".join(line for line in lines if line)


def _scores(report: dict[str, Any]) -> list[str]:
    base, adapted, data = report["base"], report["adapted"], report["data"]
    lines = []
    for name, word in SCORES.items():
        if base[name] is not None and adapted[name] is not None:
            own = data.get(name)
            lines.append(f"{word}: {base[name]:.3f} before training, {adapted[name]:.3f} after" + ("" if own is None else f", {own:.3f} in the data"))
    return lines


def _interval(report: dict[str, Any]) -> list[str]:
    found = report["intervals"]
    if found is None:
        return []
    before, after, ahead = (f"{found[side][0]:.3f} to {found[side][1]:.3f}" for side in ("base", "adapted", "difference"))
    return [f"with other rows, {SCORES[found['score']]} would likely be (95 %): {before} before, {after} after, the difference {ahead}"]


def _code(report: dict[str, Any]) -> list[str]:
    found = report["code"]
    if found is None:
        return []
    before, after = (f"{found[side]['valid']} of {found[side]['of']}" for side in ("base", "adapted"))
    return [f"valid {found['language']}, of the answers that were not cut off: {before} before, {after} after"]


def _confusion(report: dict[str, Any]) -> list[str]:
    """Both tables as columns of a terminal; one line for each right label."""
    found = report["confusion"]
    if found is None:
        return []
    columns = [*found["labels"], NO_LABEL]
    first = max(len(name) for name in ("right label", *columns))
    lines = []
    for side, who in (("base", "base model"), ("adapted", "your model")):
        lines.append(f"{who}, what it answered:")
        lines.append("  " + "  ".join(["right label".ljust(first), *columns]))
        for name, row in zip(found["labels"], found[side], strict=True):
            counts = "  ".join(str(count).rjust(len(column)) for count, column in zip(row, columns, strict=True))
            lines.append(f"  {name.ljust(first)}  {counts}")
    return lines


def _picks(report: dict[str, Any]) -> list[str]:
    lines = []
    for why, answer in picks(report):
        lines.append(f"{why}: {_line(answer['question'])}")
        lines += [f"  {word}: {_line(answer[key])}" for word, key in (("base", "base"), ("yours", "adapted"), ("your own answer", "expected"))]
    return lines


def _line(text: str) -> str:
    """On one line, and not without end. What a model wrote may hold marks that move a terminal's cursor: they are left out."""
    plain = " ".join("".join(ch if ch.isprintable() else " " for ch in text).split())
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"
