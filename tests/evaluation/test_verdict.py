"""Every verdict as people read it, and which outcome it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qlora_demo.evaluation.diagnosis import GENTLER, LARGER, LONGER, Facts
from qlora_demo.evaluation.kept import Forgetting
from qlora_demo.evaluation.scores import Compared, Tally, sorting
from qlora_demo.evaluation.verdict import IN_FILE, SET_ASIDE, Verdict, judge_free, judge_passages, judge_sorting, judge_untested, with_forgetting
from qlora_demo.recipe import Recipe

RECIPE = Recipe(batch_size=4, micro_batch_size=4)
WELL = Facts(RECIPE, RECIPE, rows=12, steps=81, first_loss=2.5, last_loss=1.2, moved=3.4, same_answers=False)
SHORT = replace(WELL, steps=6)
WON, LOST, TIE = Compared("?", "a bird", "x", "a bird"), Compared("?", "a bird", "a bird", "x"), Compared("?", "a bird", "zzz", "yyy")


def free(won: int, lost: int, ties: int = 0, facts: Facts = WELL, aside: int = 0, where: str = SET_ASIDE) -> Verdict:
    compared = [WON] * won + [LOST] * lost + [TIE] * ties
    return judge_free(compared, aside or len(compared), where, facts)


def sorted_rows(right: int, base: int, majority: int, of: int) -> Verdict:
    """Right rows are the first ones, so is what always saying "happy" gives; the base's are the last ones."""
    compared = []
    for i in range(of):
        expected = "happy" if i < majority else "sad"
        other = "sad" if expected == "happy" else "happy"
        compared.append(Compared("?", expected, expected if i >= of - base else "I cannot say", expected if i < right else other))
    return judge_sorting(sorting(compared, ["happy", "happy", "sad"]), WELL)


def test_free_text_that_was_learned() -> None:
    verdict = free(8, 1, 1)
    assert verdict.sentence == (
        "It learned. On the 10 questions set aside, your model's answer is closer to yours 8 times, the base model's once, one tie."
    )
    assert (verdict.learned, verdict.tally, verdict.advice) == ("yes", Tally(8, 1, 1), None)
    assert free(10, 0).sentence.endswith("closer to yours 10 times, the base model's never.")
    assert free(7, 0, 3).sentence.endswith("closer to yours 7 times, the base model's never, 3 ties.")
    assert free(10, 0, aside=50).sentence.startswith("It learned. On 10 of the 50 questions set aside, your")
    assert free(10, 0, where=IN_FILE).sentence.startswith("It learned. On the 10 questions in this file, your")


def test_free_text_that_was_learned_a_little() -> None:
    verdict = free(6, 4)
    assert (verdict.learned, verdict.sentence, verdict.advice) == ("little", "It learned a little: 6 of 10, could be luck.", None)
    assert free(6, 4, facts=SHORT).advice.button == LONGER


def test_free_text_that_was_not_learned() -> None:
    verdict = free(1, 4, 5, SHORT)
    assert (verdict.learned, verdict.sentence) == ("no", "It has not learned your answers: it only took 6 steps.")
    assert verdict.advice.button == LONGER
    assert free(4, 4).sentence == "It has not learned your answers: the base model's are as close to yours."
    assert free(4, 4).advice is None
    same = free(0, 0, 10, replace(WELL, same_answers=True))
    assert same.sentence == "It has not learned your answers: it still answers as the base model does."
    still = free(0, 0, 10, replace(WELL, moved=0.0, same_answers=True))
    assert still.sentence == "It has not learned your answers: nothing in its add-on has moved."


def test_sorting_that_was_learned() -> None:
    verdict = sorted_rows(34, 3, 21, 40)
    assert verdict.sentence == "Right on 34 of 40; the base model on 3; always saying 'happy' would give 21."
    assert verdict.learned == "yes"


def test_sorting_that_could_be_luck() -> None:
    verdict = sorted_rows(11, 1, 8, 15)
    assert verdict.sentence == (
        "Right on 11 of 15; the base model on 1; always saying 'happy' would give 8. Its lead over always saying 'happy' could be luck."
    )
    assert verdict.learned == "little"
    assert sorted_rows(4, 3, 1, 6).sentence.endswith("Its lead over the base model could be luck.")


def test_sorting_that_does_no_better_than_the_commonest_label() -> None:
    verdict = sorted_rows(21, 0, 21, 40)
    assert verdict.sentence == (
        "Right on 21 of 40; the base model on 0; always saying 'happy' would give 21. That is no better than always saying 'happy'."
    )
    assert verdict.learned == "no"
    found = sorting([Compared("?", "happy", "", "sad")] * 10, ["happy"])
    short = judge_sorting(found, SHORT)
    assert short.sentence == (
        "Right on 0 of 10; the base model on 0; always saying 'happy' would give 10. "
        "That is no better than always saying 'happy': it only took 6 steps."
    )
    assert short.advice.button == LONGER


def test_sorting_that_does_no_better_than_the_base_model() -> None:
    verdict = sorted_rows(38, 38, 21, 40)
    assert verdict.sentence.endswith("would give 21. That is no better than the base model.")
    assert verdict.learned == "no"


@pytest.mark.parametrize(
    ("tally", "losses", "learned", "sentence"),
    [
        (
            Tally(9, 1, 0),
            (3.0, 2.5),
            "yes",
            "It learned. On the passages set aside, each right next word is 1.6 times as likely as it was to the base model.",
        ),
        (
            Tally(9, 1, 0),
            (3.0, 2.98),
            "little",
            "It learned a little: on the passages set aside, each right next word is 1.02 times as likely as it was to the base model.",
        ),
        (Tally(2, 0, 0), (3.0, 2.5), "little", "It learned a little: 2 of 2 passages, could be luck."),
        (Tally(1, 9, 0), (3.0, 3.5), "no", "It has not learned your text: it guesses the next word no better than the base model."),
    ],
)
def test_passages(tally: Tally, losses: tuple[float, float], learned: str, sentence: str) -> None:
    verdict = judge_passages(tally, *losses, SET_ASIDE, WELL)
    assert (verdict.learned, verdict.sentence) == (learned, sentence)


def test_no_rows_aside_is_no_test() -> None:
    verdict = judge_untested(0, WELL)
    assert (verdict.learned, verdict.tally) == ("untested", None)
    assert verdict.sentence == "Trained on all 12 rows, so there is no test. Ask it something in Chat."
    assert judge_untested(0, replace(WELL, rows=1)).sentence.startswith("Trained on one row, so")
    assert judge_untested(0, SHORT).learned == "untested"
    assert judge_untested(3, WELL).sentence.startswith("The rows set aside are longer than the longest row it reads, so there is no test.")


def test_without_a_test_it_is_still_seen_that_nothing_moved() -> None:
    flat = judge_untested(0, replace(WELL, last_loss=2.49, recipe=replace(RECIPE, learning_rate=1e-6)))
    assert (flat.learned, flat.sentence) == ("no", "It has not learned your answers: its error did not get smaller.")
    assert flat.advice.button == LARGER


def test_lost_general_knowledge_is_said_with_a_gentler_run() -> None:
    lost = Forgetting(2.0, 4.0, 71, 100)
    verdict = with_forgetting(free(8, 1, 1), lost, WELL)
    assert (verdict.learned, verdict.sentence) == ("forgot", "It learned, but lost general knowledge (71 of 100 kept).")
    assert verdict.advice.button == GENTLER and verdict.tally == Tally(8, 1, 1)
    labels = with_forgetting(sorted_rows(34, 3, 21, 40), lost, WELL)
    assert labels.sentence == (
        "Right on 34 of 40; the base model on 3; always saying 'happy' would give 21. It lost general knowledge (71 of 100 kept)."
    )
    assert labels.learned == "forgot"


def test_what_is_kept_or_was_never_learned_leaves_the_verdict_as_it_is() -> None:
    for verdict, kept in ((free(8, 1), Forgetting(2.0, 2.1, 97, 100)), (free(8, 1), None), (free(1, 8), Forgetting(2.0, 9.0, 20, 100))):
        assert with_forgetting(verdict, kept, WELL) == verdict
