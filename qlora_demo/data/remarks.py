"""The sentences of the doctor: from what was counted in the data to a finding for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qlora_demo.data.finding import KEPT_POSITIONS, Finding, plural
from qlora_demo.data.personal import Personal
from qlora_demo.data.wording import counted, shown

Place = Callable[[int], str]
"""From a row's number to its place in the file."""


def repeats(rows: Sequence[int], place: Place, often: bool) -> Finding:
    """Rows that are equal to an earlier one; `often` if there is one that appears more than twice."""
    count = len(rows)
    message = f"{counted(count, 'row')} {plural(count, 'appears', 'appear')} twice."
    if often:
        message = f"{counted(count, 'row')} {plural(count, 'repeats', 'repeat')} an earlier one."
    why = "A row that is repeated counts more than the others."
    return Finding("duplicates", count, _places(rows, place), message, why, f"Remove {counted(count, 'repeat')}")


def near_repeats(rows: Sequence[int], place: Place, words_compared: bool) -> Finding:
    count = len(rows)
    message = f"{counted(count, 'row')} nearly {plural(count, 'repeats', 'repeat')} an earlier one."
    why = "Only a word or two differ, or capitals and punctuation. Such rows count more than the others."
    if not words_compared:
        why = "Only capitals and punctuation differ. In so much text, rows that differ in a word are not looked for."
    return Finding("near_duplicates", count, _places(rows, place), message, why, f"Remove {counted(count, 'near-repeat')}")


def contradictions(rows: Sequence[int], place: Place, questions: int) -> Finding:
    """`rows` ask what another row asks, and are answered differently; they are so many questions."""
    message = f"{counted(questions, 'question')} {plural(questions, 'is', 'are')} asked more than once, with different answers."
    why = "The model cannot know which answer you want."
    button = plural(questions, "Keep the first answer", "Keep the first answer of each")
    return Finding("contradictions", len(rows), _places(rows, place), message, why, button)


def contradicting_labels(rows: Sequence[int], place: Place, texts: int) -> Finding:
    message = f"{counted(texts, 'text')} {plural(texts, 'appears', 'appear')} more than once, with different labels."
    why = "The model cannot know which label is right."
    return Finding("contradicting_labels", len(rows), _places(rows, place), message, why, "Leave them out")


def one_answer(rows: Sequence[int], place: Place, total: int) -> Finding:
    message = f"In {_all_or_some(rows, total)} rows the last answer is the same."
    return Finding("one_answer", len(rows), _places(rows, place), message, "The model learns to answer everything with it.")


def one_opening(rows: Sequence[int], place: Place, total: int, opening: str) -> Finding:
    message = f"In {_all_or_some(rows, total)} rows the last answer begins with '{shown(opening, 40)}'."
    return Finding("one_opening", len(rows), _places(rows, place), message, "The model will begin nearly every answer like this.")


def _all_or_some(rows: Sequence[int], total: int) -> str:
    return f"all {total:,}" if len(rows) == total else f"{len(rows):,} of {total:,}"


def one_label(rows: Sequence[int], place: Place, total: int, label: str) -> Finding:
    label = shown(label, 40)
    if len(rows) == total:
        return Finding("one_label", total, _places(rows, place), f"All rows have the label '{label}'.", "There is nothing to tell apart.")
    message = f"{len(rows):,} of {total:,} rows have the label '{label}'."
    return Finding("one_label", len(rows), _places(rows, place), message, f"Always answering '{label}' would be right most of the time.")


def rare_labels(rows: Sequence[int], place: Place, counts: Mapping[str, int], fewest: int) -> Finding:
    """`counts` are the rare ones."""
    if len(counts) == 1:
        label, count = next(iter(counts.items()))
        message = f"The label '{shown(label, 40)}' has only {counted(count, 'row')}."
    else:
        named = ", ".join(f"'{shown(label, 40)}' ({count})" for label, count in list(counts.items())[:3])
        more = f" and {len(counts) - 3} more" if len(counts) > 3 else ""
        message = f"{len(counts)} labels have fewer than {fewest} rows: {named}{more}."
    return Finding("rare_labels", len(rows), _places(rows, place), message, "So few are hardly learned, and the test says little about them.")


def labels_differ(rows: Sequence[int], place: Place, ways: Sequence[Sequence[str]]) -> Finding:
    """`ways` are the spellings of each label that has several; `rows` have one of the less common."""
    names = [f"'{shown(way, 40)}'" for way in ways[0]]
    if len(ways) == 1:
        message = f"{', '.join(names[:-1])} and {names[-1]} look like one label."
    else:
        message = f"{len(ways)} labels are spelled in more than one way, such as {names[0]} and {names[1]}."
    why = "The model learns each spelling as a label of its own."
    button = plural(len(ways), "Treat them as one", "Use one spelling for each")
    return Finding("labels_differ", len(rows), _places(rows, place), message, why, button)


def few_rows(count: int, labels: int, fewest: int, per_label: int) -> Finding:
    """Fewer than `fewest` rows, of which none is tested; or fewer than `per_label` for each of so many labels (0 where nothing is sorted)."""
    examples = counted(count, "example")
    untested = " None is set aside, so there is no test score." if count < fewest else ""
    if labels:
        message = f"Only {examples} for {counted(labels, 'label')}.{untested}"
        return Finding("few_rows", count, (), message, f"Sorting takes about {per_label} examples for each label.")
    message = f"Only {examples}. It can pick up a tone, not facts.{untested}"
    return Finding("few_rows", count, (), message, "The more examples, the better it learns what they have in common.")


def personal(rows: Sequence[int], place: Place, kind: Personal) -> Finding:
    count = len(rows)
    held = plural(count, f"holds {kind.one}", f"hold {kind.several}")
    message = f"{counted(count, 'row')} {held}. The model may repeat {plural(count, 'it', 'them')}."
    why = "Whoever can ask the model may get to read what it has learned."
    return Finding(kind.code, count, _places(rows, place), message, why, plural(count, "Hide it", "Hide them"))


def template_marks(rows: Sequence[int], place: Place, mark: str) -> Finding:
    count = len(rows)
    message = f"{counted(count, 'row')} {plural(count, 'holds', 'hold')} marks of a chat format, such as {shown(mark, 40)}."
    return Finding("already_formatted", count, _places(rows, place), message, "They are read as plain text, not as marks.", "Remove the marks")


def special_words(rows: Sequence[int], place: Place, word: str) -> Finding:
    count = len(rows)
    message = f"{counted(count, 'row')} {plural(count, 'holds', 'hold')} {shown(word, 40)} or the like."
    return Finding("special_text", count, _places(rows, place), message, "To some models it is a sign. Here it is learned as plain text.")


def direction_marks(rows: Sequence[int], place: Place) -> Finding:
    count = len(rows)
    message = f"{counted(count, 'row')} {plural(count, 'holds', 'hold')} invisible marks that turn the direction of the text."
    why = "What you see may not be what the model reads."
    return Finding("bidi_controls", count, _places(rows, place), message, why, "Remove them")


def _places(rows: Sequence[int], place: Place) -> tuple[str, ...]:
    return tuple(place(int(row)) for row in rows[:KEPT_POSITIONS])
