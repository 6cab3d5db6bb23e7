"""The sentence that says what a run has learned, and which of five outcomes it is. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qlora_demo.evaluation.diagnosis import Advice, Facts, forgot, why_not
from qlora_demo.evaluation.kept import Forgetting
from qlora_demo.evaluation.scores import Compared, Sorted, Tally, closer

SURELY_MORE = 1.05
"""Times as likely the right next word became; less is little."""
SET_ASIDE, IN_FILE = "set aside", "in this file"
"""Where the rows of a test come from, as a sentence says it."""


@dataclass(frozen=True)
class Verdict:
    """`learned` is "yes", "little", "no", "forgot" or "untested"; `tally` compares both sides row by row, None where nothing was tested."""

    learned: str
    sentence: str
    tally: Tally | None = None
    advice: Advice | None = None


def judge_sorting(found: Sorted, facts: Facts) -> Verdict:
    """Learned is what beats the base model and always saying the commonest label, both by more than luck."""
    counts = f"Right on {found.right} of {found.rows}; the base model on {found.base_right}"
    counts += f"; always saying '{found.label}' would give {found.label_right}."
    if found.right > max(found.base_right, found.label_right):
        if not found.over_base.luck() and not found.guess_luck():
            return Verdict("yes", counts, found.over_base)
        rival = "the base model" if found.over_base.luck() else f"always saying '{found.label}'"
        return Verdict("little", f"{counts} Its lead over {rival} could be luck.", found.over_base, why_not(facts))
    rival = f"always saying '{found.label}'" if found.right <= found.label_right else "the base model"
    advice = why_not(facts)
    because = f": {advice.because()}" if advice else "."
    return Verdict("no", f"{counts} That is no better than {rival}{because}", found.over_base, advice)


def judge_free(compared: Sequence[Compared], aside: int, where: str, facts: Facts) -> Verdict:
    """`aside` is how many questions there were to choose from."""
    tally, asked = closer(compared), len(compared)
    if tally.won <= tally.lost:
        return _not_learned(facts, tally, "the base model's are as close to yours.")
    if tally.luck():
        return Verdict("little", f"It learned a little: {tally.won} of {asked}, could be luck.", tally, why_not(facts))
    questions = f"On the {asked} questions {where}" if asked == aside else f"On {asked} of the {aside} questions {where}"
    counts = f"your model's answer is closer to yours {_times(tally.won)}, the base model's {_times(tally.lost)}"
    return Verdict("yes", f"It learned. {questions}, {counts}{_ties(tally.ties)}.", tally)


def judge_passages(tally: Tally, base: float, adapted: float, where: str, facts: Facts) -> Verdict:
    """From the mean losses a token: their difference is how many times as likely the right next word became. `tally` counts passages."""
    times = math.exp(base - adapted)
    if tally.won <= tally.lost or times <= 1:
        return _not_learned(facts, tally, "it guesses the next word no better than the base model.", "your text")
    if tally.luck():
        sentence = f"It learned a little: {tally.won} of {tally.won + tally.lost} passages, could be luck."
        return Verdict("little", sentence, tally, why_not(facts))
    more = f"{times:.1f}" if times >= SURELY_MORE else f"{times:.2f}"
    passages = f"the passages {where}, each right next word is {more} times as likely as it was to the base model."
    if times < SURELY_MORE:
        return Verdict("little", f"It learned a little: on {passages}", tally, why_not(facts))
    return Verdict("yes", f"It learned. On {passages}", tally)


def judge_untested(aside: int, facts: Facts) -> Verdict:
    """Without rows to test on, only what stood still is known not to have learned. `aside` rows were too long to be one."""
    if facts.still() or facts.flat():
        return _not_learned(facts, None, "")
    if aside:
        return Verdict("untested", "The rows set aside are longer than the longest row it reads, so there is no test. Ask it something in Chat.")
    rows = f"all {facts.rows} rows" if facts.rows > 1 else "one row"
    return Verdict("untested", f"Trained on {rows}, so there is no test. Ask it something in Chat.")


def with_forgetting(verdict: Verdict, forgetting: Forgetting | None, facts: Facts) -> Verdict:
    """Says so where general knowledge was lost; a model that did not even learn has another trouble first."""
    if forgetting is None or not forgetting.lost() or verdict.learned == "no":
        return verdict
    advice = forgot(facts)
    if verdict.sentence.startswith("It learned"):
        return replace(verdict, learned="forgot", sentence=f"It learned, but lost general knowledge ({forgetting.words()}).", advice=advice)
    return replace(verdict, learned="forgot", sentence=f"{verdict.sentence} It lost general knowledge ({forgetting.words()}).", advice=advice)


def _not_learned(facts: Facts, tally: Tally | None, otherwise: str, what: str = "your answers") -> Verdict:
    """With the cause where one is known, else with what was seen."""
    advice = why_not(facts)
    return Verdict("no", f"It has not learned {what}: {advice.because() if advice else otherwise}", tally, advice)


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _ties(count: int) -> str:
    return {0: "", 1: ", one tie"}.get(count, f", {count} ties")
