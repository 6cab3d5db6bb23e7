"""What a training run tells of itself by its worker: the questions watched, the report, the cause where nothing was learned."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from runs import make_run

from qlora_demo.data.conversation import Conversation, Message, write_rows
from qlora_demo.evaluation.earlier import completed
from qlora_demo.evaluation.words import in_words
from qlora_demo.events import read_events
from qlora_demo.pipes import child_environ
from qlora_demo.progress import progress_of
from qlora_demo.run_dir import Home, RunDir, read_json


def start(run: RunDir) -> subprocess.Popen:
    with run.log.open("ab") as log:
        command = [sys.executable, "-m", "qlora_demo.jobs.worker", str(run.path)]
        return subprocess.Popen(command, env=child_environ(os.environ), stdout=log, stderr=log)


def test_the_watched_questions_are_answered_before_training_once_and_at_every_test(tiny_home: Home) -> None:
    """Interrupted after the first test and continued: nothing is asked twice."""
    run = make_run(tiny_home, "run", epochs=20.0, evaluations=3)
    process = start(run)
    while process.poll() is None and not any(e["type"] == "sample" and e["step"] == 20 for e in read_events(run.events)[0]):
        time.sleep(0.02)
    run.stop.write_text("interrupt")
    assert process.wait(timeout=300) == 75, run.log.read_text()
    run.stop.unlink()
    assert start(run).wait(timeout=300) == 0, run.log.read_text()
    events = read_events(run.events)[0]
    assert [e["attempt"] for e in events if e["type"] == "watch"] == [1, 2]
    assert [(e["step"], e["index"]) for e in events if e["type"] == "sample"] == [(step, i) for step in (0, 20, 40, 60) for i in range(3)]
    watched = progress_of(events).watched
    assert all(w.set_aside and [step for step, _ in w.answers] == [0, 20, 40, 60] for w in watched)
    assert len({w.answers[0][1] for w in watched} | {w.answers[3][1] for w in watched}) > 3
    before = [e["type"] for e in events[: next(i for i, e in enumerate(events) if e["type"] == "step" and e["step"] == 2)]]
    assert before.count("sample") == 3


def test_six_steps_are_told_to_be_few(tiny_home: Home) -> None:
    run = make_run(tiny_home, "run")
    assert start(run).wait(timeout=300) == 0, run.log.read_text()
    report = read_json(run.report_json)
    assert (report["kind"], report["rows"], report["forgetting"], report["majority"]) == ("answers", 3, None, None)
    assert report["won"] + report["lost"] + report["ties"] == 3 and 0.1 < report["p_value"] <= 1
    assert report["learned"] in ("no", "little")
    assert report["advice"] == {"reason": "It only took 6 steps.", "button": "Train again, longer", "changes": {"epochs": 34.0}}
    numbers = {"loss", "perplexity", "exact_match", "accuracy", "macro_f1", "chrf", "token_f1", "words", "repeated"}
    assert set(report["base"]) == set(report["adapted"]) == numbers
    assert report["sample"] == {"tested": 3, "of": 3, "too_long": 0, "time_over": False} and report["intervals"] is None
    assert 0 <= report["adapted"]["chrf"] <= 100 and report["adapted"]["accuracy"] is None


def test_a_rate_of_nearly_nothing_is_told_to_be_the_cause(tiny_home: Home) -> None:
    run = make_run(tiny_home, "run", learning_rate=1e-7, held_out=0, evaluations=0)
    assert start(run).wait(timeout=300) == 0, run.log.read_text()
    report = read_json(run.report_json)
    assert (report["learned"], report["verdict"]) == ("no", "It has not learned your answers: its error did not get smaller.")
    assert report["advice"]["button"] == "Train again, with larger changes"
    assert report["base"]["loss"] is report["p_value"] is None
    assert not any(e["type"] == "sample" for e in read_events(run.events)[0])


def test_rows_in_which_nothing_carries_loss_need_to_be_longer(tiny_home: Home) -> None:
    run = make_run(tiny_home, "run", max_length=16)
    assert start(run).wait(timeout=300) == 0
    result = read_json(run.result_json)
    assert result["outcome"] == "failed" and result["reason"].startswith("Nothing is left to learn: every answer lies beyond the longest row.")
    assert result["advice"]["button"] == "Train again, with longer rows"
    again = make_run(tiny_home, "again", epochs=1.0, evaluations=0, **result["advice"]["changes"])
    assert start(again).wait(timeout=300) == 0
    assert read_json(again.result_json)["outcome"] == "finished"


def test_labels_are_counted_for_both_sides_and_the_commonest(tiny_home: Home) -> None:
    """Learned by heart: the same rows are set aside."""
    run = make_run(tiny_home, "run", epochs=30.0, learning_rate=5e-3, rows=20)
    labels = [("tide", "sea") if i % 4 else ("gull", "storm") for i in range(20)]
    rows = [Conversation((Message("user", f"{word} {i}"), Message("assistant", label)), label=label) for i, (word, label) in enumerate(labels)]
    write_rows(run.train_jsonl, rows)
    write_rows(run.held_out_jsonl, rows)
    assert start(run).wait(timeout=300) == 0, run.log.read_text()
    report = read_json(run.report_json)
    assert (report["kind"], report["rows"], report["majority"]) == ("sorting", 20, {"label": "sea", "accuracy": 0.75})
    assert report["adapted"]["accuracy"] == 1.0 and report["learned"] == "yes"
    assert report["verdict"] == "Right on 20 of 20; the base model on 0; always saying 'sea' would give 15."
    assert report["base"]["chrf"] is None and report["p_value"] < 1e-5
    assert report["confusion"] == {"labels": ["sea", "storm"], "base": [[0, 0, 15], [0, 0, 5]], "adapted": [[15, 0, 0], [0, 5, 0]]}
    assert report["intervals"]["difference"] == [1.0, 1.0] and report["adapted"]["macro_f1"] == 1.0
    said = in_words(completed(report))
    assert said.startswith(report["verdict"]) and "right label: 0.000 before training, 1.000 after" in said
