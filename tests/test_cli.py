"""The command line as a person types it: one JSON object out, sentences for mistakes, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from qlora_demo.run_dir import Home, read_json

ROOT = Path(__file__).resolve().parent.parent


def command(*words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "QLORA_DEMO_OFFLINE": "1"}
    return subprocess.run([sys.executable, "-m", "qlora_demo", *map(str, words)], capture_output=True, text=True, env=environ, cwd=cwd, check=False)


def faq(folder: Path, rows: int = 24) -> Path:
    path = folder / "faq.csv"
    path.write_text("question,answer\n" + "".join(f"lamp {i} and sea?,storm boat tide {i}\n" for i in range(rows)))
    return path


def test_check_says_what_a_file_is(tiny_home: Home, tmp_path: Path) -> None:
    done = command("check", faq(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert (value["format"], value["kind"], value["rows"], value["kept"]) == ("question-answer", "conversations", 24, 24)
    assert value["tokens"]["total"] > value["tokens"]["trained"] > 0
    assert sum(rows for _, _, rows in value["tokens"]["histogram"]) == 24
    assert list(tiny_home.datasets.iterdir()) == []


def test_a_way_out_is_told_as_an_option_and_taken(tiny_home: Home, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("question,answer\nhello there,fine\none,two,three\nhello again,good\n")
    refused = command("check", path)
    assert refused.returncode == 2
    assert "Leave line 3 out: add --leave-out-broken." in refused.stderr
    done = command("check", path, "--leave-out-broken", "--json", "--no-tokens")
    value = json.loads(done.stdout)
    assert (value["kept"], value["left_out"], value["tokens"]["total"]) == (2, {"it cannot be read": 1}, None)
    assert [row["messages"][1]["content"] for row in value["preview"]] == ["fine", "good"]


def test_fixes_and_columns_are_options(tiny_home: Home, tmp_path: Path) -> None:
    path = tmp_path / "faq.csv"
    path.write_text("one,two\nWhere are you?,By the sea\nWhere are you?,By the sea\n")
    done = command("check", path, "--fix", "duplicates", "--map", "user=two", "--map", "assistant=one", "--json", "--no-tokens")
    value = json.loads(done.stdout)
    assert (value["rows"], value["kept"], value["column_roles"]) == (2, 1, {"user": "two", "assistant": "one"})
    assert "Removed 1 repeat." in [warning["message"] for warning in value["warnings"]]


def test_an_unusable_file_is_a_sentence_and_exit_code_2(tiny_home: Home, tmp_path: Path) -> None:
    cases = {
        "empty.csv": (b"", "is empty"),
        "photo.csv": (b"\x89PNG\r\n\x1a\n" + bytes(100), "photo.csv is an image"),
        "numbers.csv": (b"a,b\n1,2\n3,4\n", "no two columns of text"),
        "orders.csv": (b"question,answer\nhello there,fine\none,two,three\n", "line 3 has 3 values, the first line has 2"),
    }
    for name, (content, sentence) in cases.items():
        (tmp_path / name).write_bytes(content)
        for verb in ("check", "train"):
            done = command(verb, tmp_path / name)
            assert done.returncode == 2, done.stderr
            assert sentence in done.stderr
            assert "Traceback" not in done.stderr
            assert done.stdout == ""
    assert list(tiny_home.runs.iterdir()) == []


def test_a_file_that_is_not_there_is_a_sentence(tiny_home: Home, tmp_path: Path) -> None:
    done = command("check", tmp_path / "nowhere.csv")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and "nowhere.csv" in done.stderr


def test_wrong_settings_are_all_named(tiny_home: Home, tmp_path: Path) -> None:
    done = command("train", faq(tmp_path), "--set", "rank=0", "--set", "epochs=0")
    assert done.returncode == 2
    assert "rank must be from 1 to 256; it is 0." in done.stderr and "epochs must be from 0.1 to 100; it is 0." in done.stderr


def test_the_whole_line(tiny_home: Home, tmp_path: Path) -> None:
    """check, train, chat, runs, show, delete."""
    trained = command("train", faq(tmp_path), "--method", "lora", "--set", "epochs=1", "--name", "My FAQ", "--json")
    assert trained.returncode == 0, trained.stderr
    lines = [json.loads(line) for line in trained.stdout.splitlines()]
    result = lines[-1]
    assert result["state"] == "finished" and result["steps"] == len([e for e in lines if e.get("type") == "step"])
    known = ("train_loss", "tokens_per_second", "seconds", "trainable_parameters", "total_parameters", "artifact_bytes", "predicted_memory_bytes")
    assert all(result[name] is not None for name in known)

    asked = json.loads(command("chat", "last", "lamp and sea?", "--greedy", "--max-new-tokens", "8", "--json").stdout)
    assert set(asked) == {"base", "adapted", "against", "seconds", "tokens", "unchanged"}
    assert (asked["against"], asked["unchanged"]) == (None, True)
    itself = json.loads(command("chat", "last", "lamp and sea?", "--against", "last", "--greedy", "--max-new-tokens", "8", "--json").stdout)
    assert (itself["base"], itself["against"], itself["unchanged"]) == (itself["adapted"], result["run"], None)
    listed = json.loads(command("runs", "--json").stdout)["runs"]
    assert [(r["run"], r["name"], r["state"], r["method"]) for r in listed] == [(result["run"], "My FAQ", "finished", "lora")]
    shown = json.loads(command("show", result["run"][:5], "--json").stdout)
    assert shown["recipe"]["epochs"] == 1.0 and shown["report"]["rows"] == len(shown["report"]["answers"])
    evaluated(tiny_home, tmp_path, shown["report"])
    assert json.loads(command("delete", "last", "--json").stdout)["deleted"] is True
    gone = command("show", result["run"])
    assert gone.returncode == 2 and "No run of yours begins with" in gone.stderr


def evaluated(tiny_home: Home, tmp_path: Path, trained: dict) -> None:
    """`evaluate` on the rows set aside, on a file, and beside a training."""
    aside = command("evaluate", "last", "--json")
    assert aside.returncode == 0, aside.stderr
    report = json.loads(aside.stdout)
    (run,) = tiny_home.runs.iterdir()
    assert report == {"run": run.name, **{name: value for name, value in read_json(run / "report.json").items() if name != "schema"}}
    assert report.keys() - {"run"} == trained.keys() - {"schema"}
    assert (report["rows"], report["kind"], report["forgetting"]) == (trained["rows"], "answers", None)
    assert report["base"]["loss"] == pytest.approx(trained["base"]["loss"], rel=0.01)

    other = tmp_path / "other.csv"
    other.write_text("a,b\n" + "".join(f"tide and paint {i}?,brass {i}\n" for i in range(5)))
    mapped = json.loads(command("evaluate", "last", other, "--map", "user=b", "--map", "assistant=a", "--json").stdout)
    assert [(a["question"], a["expected"]) for a in mapped["answers"]] == [(f"brass {i}", f"tide and paint {i}?") for i in range(5)]
    assert read_json(run / "report.json")["rows"] == trained["rows"]
    assert len(list(tiny_home.datasets.iterdir())) == 1
    text = command("evaluate", "last", other)
    assert text.returncode == 0 and "Tested on all 5 rows in this file." in text.stdout
    scores = ("error: ", "closeness (chrF): ", "shared words (token F1): ", "words in an answer: ", "would likely be (95 %): ")
    assert [words for words in (*scores, "Closest to your own answer: ") if words not in text.stdout] == []

    with FileLock(tiny_home.device_lock):
        busy = command("evaluate", "last")
    assert busy.returncode == 2 and busy.stderr.endswith("This machine is training. Test the model when that is done.\n")


def test_models_are_listed_with_what_is_here(tiny_home: Home) -> None:
    models = json.loads(command("models", "--json").stdout)["models"]
    assert models[0]["id"] == "bundled/SmolLM2-135M-Instruct" and models[0]["available_offline"] is True
    assert all({"id", "revision", "parameters", "languages", "default_for", "available_offline"} <= set(m) for m in models)
    assert not any(m["available_offline"] for m in models[1:])


def test_estimate_says_what_a_training_takes_and_whether_it_fits(tiny_home: Home, tmp_path: Path) -> None:
    done = command("estimate", faq(tmp_path), "--method", "lora", "--set", "epochs=3", "--json")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    parts = value["memory_bytes"]
    assert parts.pop("total") == sum(parts.values())
    assert set(parts) == {"weights", "adapter", "gradients", "optimizer", "activations", "overhead"}
    assert (value["method"], value["fits"], value["steps"]) == ("lora", True, 15)
    assert value["seconds"] > 0 and value["reason"].startswith("It fits: it needs ")
    assert list(tiny_home.datasets.iterdir()) == []
    unknown = json.loads(command("estimate", "--method", "full", "--json").stdout)
    assert unknown["memory_bytes"]["optimizer"] > value["memory_bytes"]["optimizer"]
    refused = command("estimate", "--set", "epochs=0")
    assert (refused.returncode, "epochs must be from 0.1 to 100" in refused.stderr) == (2, True)
