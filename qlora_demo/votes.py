"""A blind vote: two answers to each question, whose they are hidden until the end; and the last one, kept with its run."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from qlora_demo.evaluation.tally import Tally
from qlora_demo.jobs.ledger import Ledger
from qlora_demo.run_dir import Home, read_json, write_json

MOST_QUESTIONS = 10
LONGEST_QUESTION = 2000
"""Characters."""
YOURS, BASE, SAME, BAD = "yours", "base", "same", "bad"
FIRST, SECOND = "a", "b"


@dataclass(frozen=True)
class Vote:
    """One question with both answers, and which is better: YOURS, BASE, SAME, or BAD where neither is any good."""

    question: str
    base: str
    yours: str
    choice: str


@dataclass(frozen=True)
class BlindVote:
    """What was chosen, and when, in seconds since the epoch."""

    when: float
    votes: tuple[Vote, ...]

    def count(self, choice: str) -> int:
        return sum(vote.choice == choice for vote in self.votes)

    def luck(self) -> bool:
        """Whether whoever is ahead is so by so little that it could be chance. The sign test, for the side that leads."""
        ahead, behind = sorted((self.count(YOURS), self.count(BASE)), reverse=True)
        return Tally(ahead, behind, self.count(SAME) + self.count(BAD)).luck()


@dataclass(frozen=True)
class Ballot:
    """A blind vote that goes on. `swapped` says for each question whether "A" is the base model: a secret until all have been answered, which must
    stay on the server. `answers` are those to the question at hand, base's and yours, None while they are on their way.
    """

    run: str
    questions: tuple[str, ...]
    swapped: tuple[bool, ...]
    answers: tuple[str, str] | None = None
    votes: tuple[Vote, ...] = field(default=())

    def number(self) -> int:
        """Of the question at hand, from 1."""
        return len(self.votes) + 1

    def done(self) -> bool:
        return len(self.votes) == len(self.questions)

    def question(self) -> str:
        return self.questions[len(self.votes)]

    def answered(self, base: str, yours: str) -> Ballot:
        """With the answers to the question at hand. Equal ones need no vote."""
        with_answers = replace(self, answers=(base, yours))
        return with_answers.chosen(SAME) if base.strip() == yours.strip() else with_answers

    def sides(self) -> tuple[str, str]:
        """What is shown as "A" and "B"."""
        base, yours = self.answers or ("", "")
        return (base, yours) if self.swapped[len(self.votes)] else (yours, base)

    def chosen(self, choice: str) -> Ballot:
        """After a vote: FIRST, SECOND, SAME or BAD. One that comes before the answers, as a second click does, changes nothing."""
        if self.answers is None:
            return self
        first_is_base = self.swapped[len(self.votes)]
        whose = {FIRST: BASE if first_is_base else YOURS, SECOND: YOURS if first_is_base else BASE}.get(choice, choice)
        return replace(self, answers=None, votes=(*self.votes, Vote(self.question(), *self.answers, whose)))


def new_ballot(run_id: str, questions: Sequence[str]) -> Ballot:
    """Each question's sides fall as a coin does."""
    asked = tuple(question[:LONGEST_QUESTION] for question in questions[:MOST_QUESTIONS])
    return Ballot(run_id, asked, tuple(secrets.choice((True, False)) for _ in asked))


def some(questions: Sequence[str]) -> list[str]:
    """At most MOST_QUESTIONS of them, drawn by chance: another vote is about others."""
    return secrets.SystemRandom().sample(list(questions), min(MOST_QUESTIONS, len(questions)))


def typed(text: str) -> list[str]:
    """Questions as a person types them, one on each line, each once."""
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))[:MOST_QUESTIONS]


class Votes:
    """The last blind vote about each run, in its directory. Only its owner's is kept."""

    def __init__(self, home: Home, ledger: Ledger):
        self._home, self._ledger = home, ledger

    def keep(self, owner: str, run_id: str, vote: BlindVote) -> bool:
        """In place of the one before, and returns True; that of a guest is not written. Raises DiskFullError, NotFoundError."""
        mine = self._mine(owner, run_id)
        if mine:
            said = [{"question": v.question, "base": v.base, "yours": v.yours, "choice": v.choice} for v in vote.votes]
            write_json(self._home.run(run_id).blind_vote_json, {"when": vote.when, "votes": said})
        return mine

    def last(self, owner: str, run_id: str) -> BlindVote | None:
        """None where none is kept, and for guests. Raises NotFoundError, StorageError."""
        kept = self._home.run(run_id).blind_vote_json
        if not self._mine(owner, run_id) or not kept.exists():
            return None
        said = read_json(kept)
        return BlindVote(said["when"], tuple(Vote(**vote) for vote in said["votes"]))

    def _mine(self, owner: str, run_id: str) -> bool:
        return self._ledger.job_of_run(run_id, owner).owner == owner
