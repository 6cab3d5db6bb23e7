"""The child that reads: its answers, its limits, and what it leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from qlora_demo.data import reader
from qlora_demo.data.choices import Choices
from qlora_demo.data.dataset import load_dataset_folder
from qlora_demo.data.reader import read_again_in_child, read_in_child
from qlora_demo.data.table import Limits
from qlora_demo.errors import DataError


def test_a_good_file_is_saved_with_a_copy_and_can_be_read_again(tmp_path: Path) -> None:
    (tmp_path / "upload").write_text("left,right\nHi there,Hello\n")
    one, other = tmp_path / "datasets" / "one", tmp_path / "datasets" / "other"
    read_in_child(tmp_path / "upload", "faq.csv", Choices({"user": "right", "assistant": "left"}), Limits(), one)
    (tmp_path / "upload").unlink()
    assert load_dataset_folder(one).rows[0].answer() == "Hi there"
    read_again_in_child(one, "faq.csv", Choices({"user": "left", "assistant": "right"}), Limits(), other)
    assert load_dataset_folder(other).rows[0].answer() == "Hello"
    assert (one / "source").samefile(other / "source")
    assert sorted(path.name for path in one.iterdir()) == ["dataset.json", "index.npy", "rows.jsonl", "source"]


def test_the_sentence_comes_back_with_its_ways_out_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "upload").write_text("q,a\nx,y\n1,2,3,4,5\n")
    with pytest.raises(DataError) as error:
        read_in_child(tmp_path / "upload", "orders.csv", Choices(), Limits(), tmp_path / "datasets" / "one")
    assert str(error.value) == "We could not read orders.csv: line 3 has 5 values, the first line has 2. Fix line 3 and upload it again."
    assert [(way.label, way.change) for way in error.value.ways_out] == [("Leave line 3 out", {"leave_out_broken": True})]
    assert list((tmp_path / "datasets").iterdir()) == []


def test_columns_to_choose_from_come_back(tmp_path: Path) -> None:
    (tmp_path / "upload").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(DataError) as error:
        read_in_child(tmp_path / "upload", "n.csv", Choices(), Limits(), tmp_path / "one")
    assert error.value.columns == ("a", "b")


def test_a_reader_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(*_: object, **options: float) -> None:
        raise subprocess.TimeoutExpired("reader", options["timeout"])

    monkeypatch.setattr(reader.subprocess, "run", too_late)
    with pytest.raises(DataError, match="^Reading a.csv took longer than 2 minutes. Upload a smaller file.$"):
        read_in_child(tmp_path / "upload", "a.csv", Choices(), Limits(), tmp_path / "one")


@pytest.mark.parametrize("name", [sys.platform, "darwin"])
def test_memory_is_limited_and_its_end_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    code = (
        f"import sys, time; from pathlib import Path; from qlora_demo.data import reader_child; sys.platform = {name!r}\n"
        "reader_child.most_memory = lambda *_: 400_000_000\n"
        "reader_child.prepare = lambda *_: (b'x' * 600_000_000, time.sleep(5))\n"
        "reader_child.main()"
    )
    (tmp_path / "upload").write_text("q,a\nx,y\n")
    run = subprocess.run
    monkeypatch.setattr(reader.subprocess, "run", lambda command, **options: run([command[0], "-c", code], **options))
    with pytest.raises(DataError, match="^Reading a.csv needs more memory than one file may use here. Upload a smaller file.$"):
        read_in_child(tmp_path / "upload", "a.csv", Choices(), Limits(), tmp_path / "one")


def test_the_child_gets_no_secrets() -> None:
    environ = reader._environment({"PATH": "/bin", "HF_TOKEN": "x", "QLORA_DEMO_HOME": "/h"})
    assert set(environ) == {
        *("PATH", "PYTHONPATH", "PYTHONUTF8", "PYTHONSAFEPATH"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_DEFAULT_MEMORY_POOL"),
    }


def test_reading_loads_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "datasets", "pandas")
    code = f"import sys, qlora_demo.data.reader_child; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
