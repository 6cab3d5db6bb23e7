"""What a blind vote says: the two answers without their names, and at the end whose they were."""

from __future__ import annotations

import time

from qlora_demo.ui.parts import counted, day, esc, note, times
from qlora_demo.votes import BAD, BASE, SAME, YOURS, Ballot, BlindVote, Vote

CHOICES = {YOURS: "your model", BASE: "the base model", SAME: "the same", BAD: "both bad"}
EVEN = "Neither is ahead."
LUCK = "With a difference this small, it could be luck."


def progress(ballot: Ballot) -> str:
    """Where the vote is, and what is asked."""
    place = f"Question {ballot.number()} of {len(ballot.questions)}"
    return f'<p class="qd-small">{place}</p><p class="qd-watch-question">{esc(ballot.question())}</p>'


def sides(ballot: Ballot) -> tuple[str, str]:
    """ "A" and "B". Nothing but the texts may differ between a swapped pair and one that is not."""
    first, second = (f'<h4 class="qd-h3">{name}</h4><div class="qd-said">{esc(said)}</div>' for name, said in zip("AB", ballot.sides(), strict=True))
    return first, second


def tally(vote: BlindVote) -> str:
    """ "You chose your model 7 times, the base model twice, one same.", and whether that could be luck."""
    parts = [f"You chose your model {_times(vote.count(YOURS))}", f"the base model {_times(vote.count(BASE))}"]
    same, bad = vote.count(SAME), vote.count(BAD)
    parts += [f"{'one' if same == 1 else same} same"] if same else []
    parts += [f"both bad {_times(bad)}"] if bad else []
    even = vote.count(YOURS) == vote.count(BASE)
    return f"{', '.join(parts)}. {EVEN if even else LUCK if vote.luck() else ''}".strip()


def _times(count: int) -> str:
    return {0: "never", 2: "twice"}.get(count) or times(count)


def last_words(vote: BlindVote | None) -> str:
    """What came out before; "" where there was none."""
    return note(f"Your last blind vote, {day(vote.when)}: {_lower(tally(vote))}") if vote else ""


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def revealed(vote: BlindVote, remark: str) -> str:
    """The tally, and for each question whose answers these were; `remark` says whether it is kept."""
    rows = "".join(_row(number, one) for number, one in enumerate(vote.votes, 1))
    kind = "qd-good" if vote.count(YOURS) > vote.count(BASE) and not vote.luck() else ""
    return f'{note(tally(vote), kind)}<p class="qd-small">{esc(remark)}</p>{rows}'


def _row(number: int, vote: Vote) -> str:
    chosen = "Word for word the same, so nothing was asked." if vote.base.strip() == vote.yours.strip() else f"You chose: {CHOICES[vote.choice]}"
    return (
        f'<div class="qd-watched"><p class="qd-watch-question">{number}. {esc(vote.question)}</p><dl class="qd-watch">'
        f'<dt class="qd-base">Base model</dt><dd>{esc(vote.base)}</dd><dt class="qd-yours">Your model</dt><dd>{esc(vote.yours)}</dd></dl>'
        f'<p class="qd-small">{chosen}</p></div>'
    )


def source_words(aside: int) -> str:
    """The choice of the questions that were set aside."""
    return f"Set aside from your data ({counted(aside, 'question')})"


def vote_of(ballot: Ballot) -> BlindVote:
    """What has been chosen until now."""
    return BlindVote(time.time(), ballot.votes)
