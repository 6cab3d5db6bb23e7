"""Everything that is wrong with the files people bring, one test a kind.

Where a file is read, a real child reads it; what concerns the page goes over real HTTP.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from data.asking import Read, ask, check, measured, refusal, remarks, texts
from data.bad_files import CANNOT, ONE, ROWS, SHEET, Q, fix, parquet
from data.served import Served, serve

from qlora_demo.data.choices import Choices
from qlora_demo.data.counting import counted
from qlora_demo.data.reader import read_in_child
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.data.table import Limits
from qlora_demo.errors import DataError, NotFoundError
from qlora_demo.owners import LOCAL
from qlora_demo.ui.views_data import chat_messages, questions_and_answers


@pytest.mark.parametrize("kind", ROWS)
def test_bad_input(tmp_path: Path, kind: str) -> None:
    for case in ROWS[kind]:
        check(tmp_path, case)


def test_04_a_single_row_is_read_and_said_to_be_too_few(tmp_path: Path) -> None:
    dataset = ask(tmp_path, "a.csv", Q + "x,y\n")
    assert [finding.message for finding in dataset.report.findings] == [
        "Only 1 example. It can pick up a tone, not facts. None is set aside, so there is no test score."
    ]


def test_05_too_many_rows_are_counted_and_the_first_ones_offered(tmp_path: Path) -> None:
    content, limits = Q + "".join(f"question {i},answer {i}\n" for i in range(1234)), Limits(max_rows=1000)
    error = refusal(tmp_path, "a.csv", content, limits)
    assert str(error) == "This demo takes up to 1,000 rows; yours has 1,234. Upload a shorter file."
    assert [(way.label, way.change) for way in error.ways_out] == [("Use the first 1,000", {"first_rows": 1000})]
    dataset = ask(tmp_path, "a.csv", content, limits, Choices(first_rows=1000))
    assert len(dataset.rows) == 1000
    assert "Only the first 1,000 rows of your file are used." in remarks(dataset)


def test_13_a_compressed_file_is_not_unpacked(tmp_path: Path) -> None:
    content = gzip.compress(bytes(100_000_000), 1)
    refused, peak = measured(tmp_path, "a.jsonl", content, Limits())
    assert str(refused) == "a.jsonl is a compressed file (gzip). Unpack it and upload the file inside."
    assert peak < 200_000_000


def test_14_a_workbook_with_macros_is_read_and_none_runs(tmp_path: Path) -> None:
    file = io.BytesIO(SHEET)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"\xd0\xcf\x11\xe0 a macro")
    for name, content in (("a.xlsx", SHEET), ("a.xlsm", file.getvalue())):
        check(tmp_path, Read(name, content, ONE))


def test_16_a_small_parquet_file_that_decodes_to_gigabytes(tmp_path: Path) -> None:
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 2_500_000, pa.int32()), pa.array(["x" * 1000]))
    content = parquet(question=repeated, answer=repeated)
    assert len(content) < 1_000_000
    rows = "This demo takes up to 1,000,000 rows; yours has 2,500,000. Upload a shorter file."
    budget = "a.parquet decodes to more than 20 MB. Upload a smaller file."
    for limits, expected in ((Limits(), rows), (Limits(max_rows=10**7, max_unpacked_bytes=20_000_000), budget)):
        refused, peak = measured(tmp_path, "a.parquet", content, limits)
        assert str(refused) == expected
        assert peak < 300_000_000


def test_39_huge_values_are_refused_and_long_rows_counted(tmp_path: Path, tiny: Renderer) -> None:
    expected = f"{CANNOT} a.csv: line 2: column 'answer' holds 1.2 MB; one value may have 1 MB. {fix('line 2')}"
    assert str(refusal(tmp_path, "a.csv", Q + "x," + "é" * 600_000 + "\n")) == expected
    numbers = tokens(tiny, tmp_path, Q + "x,y\nz," + "the sea and the lamp " * 100 + "\n")
    assert (numbers["cut"], numbers["cut_rows"], numbers["empty"]) == (1, ["line 3"], 0)


def test_40_columns_that_say_nothing_can_be_chosen_by_hand(tmp_path: Path) -> None:
    error = refusal(tmp_path, "a.csv", "code,sum\n1,2\n3,4\n")
    assert str(error) == (
        "We found numbers and dates but no two columns of text. Which column is asked, which is the answer? The columns are: code, sum. "
        "Names we know: question and answer, prompt and completion, instruction and output, text and label, or messages."
    )
    assert error.columns == ("code", "sum")
    dataset = ask(tmp_path, "a.csv", "code,sum\n1,2\n3,4\n", choices=Choices({"user": "code", "assistant": "sum"}))
    assert list(map(texts, dataset.rows)) == ["1 | 2", "3 | 4"]


def test_54_questions_that_leave_no_room_for_an_answer_are_counted(tmp_path: Path, tiny: Renderer) -> None:
    long = "the sea and the lamp " * 100
    numbers = tokens(tiny, tmp_path, Q + f"x,y\n{long},z\n{long},w\n")
    assert (numbers["empty"], numbers["empty_rows"]) == (2, ["line 3", "line 4"])
    assert tokens(tiny, tmp_path, Q + f"{long},z\n")["trained"] == 0  # a run that learns nothing is refused where it starts


def test_55_programs_and_marks_in_cells_stay_text(tmp_path: Path) -> None:
    dataset = ask(tmp_path, "a.csv", Q + "<script>alert(1)</script>,=cmd()\nx,![x](http://e)\n")
    assert list(map(texts, dataset.rows)) == ["<script>alert(1)</script> | =cmd()", "x | ![x](http://e)"]
    shown = str(chat_messages(dataset.rows[0])) + questions_and_answers(dataset.rows)
    assert "<script" not in shown and "&lt;script&gt;" in shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../x", "x"),
        ("/etc/passwd", "passwd"),
        ("C:\\a\\y", "y"),
        ("a\0b.csv", "ab.csv"),
        ("n" * 400 + ".csv", "n" * 77 + "..."),
        ("CON", "CON"),
        ("-rf", "-rf"),
        ('"a\'b".csv', '"a\'b".csv'),
        ("a\u202egnp.csv", "agnp.csv"),
    ],
)
def test_56_a_name_is_only_shown(tmp_path: Path, name: str, shown: str) -> None:
    assert ask(tmp_path, name, Q + "x,y\n").name == shown


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Renderer:
    return Renderer(load_tokenizer(tiny_folder), {})


def tokens(tiny: Renderer, folder: Path, content: str) -> dict[str, object]:
    """What the data worker counts, with rows of up to 64 tokens."""
    return list(counted(tiny, ask(folder, "a.csv", content).rows, 64, 1))[-1].to_json()


# The page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "uploads"))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        with serve(folder, max_upload_mb=1) as served:
            yield served


def uploaded(page: Served, name: str = "a.csv") -> str:
    return page.upload((name, f"{Q}x,y\n".encode())).json()[0]


def answered(page: Served, path: str) -> str:
    return str(page.choose(path)["output"]["data"])


def datasets(page: Served) -> list[Path]:
    return [path for path in page.studio.home.datasets.iterdir()]


def test_06_a_file_that_is_too_large_is_refused_before_it_is_read(page: Served) -> None:
    for size in (1_500_000, 3_000_000):
        assert page.upload(("a.csv", b"x" * size)).status_code == 413


@pytest.mark.skipif(sys.platform == "win32", reason="no links and no named pipes")
def test_57_links_and_pipes_are_refused(page: Served, tmp_path: Path) -> None:
    beside = Path(uploaded(page)).parent
    (beside / "link.csv").symlink_to("/etc/passwd")
    os.mkfifo(beside / "pipe.csv")
    for path in ("/etc/passwd", beside / "link.csv"):
        assert page.choose(str(path))["output"] == {"error": None}
    assert "pipe.csv is not a file. Upload a table, JSON, or text." in answered(page, str(beside / "pipe.csv"))
    for name, what in (
        ("link.csv", "is a link to another file. Give the file itself."),
        ("pipe.csv", "is not a file. Upload a table, JSON, or text."),
    ):
        with pytest.raises(DataError, match=f"^{name} {what}$"):
            read_in_child(beside / name, name, Choices(), Limits(), tmp_path / "out")


def test_58_a_data_set_is_met_by_its_owner_alone(page: Served) -> None:
    """Whose a file is while it is uploaded is not told yet: there is one owner so far."""
    dataset = page.studio.data.add_text(LOCAL, f"{Q}x,y\n")
    with pytest.raises(NotFoundError, match=r"^This data set is not here any more\. Upload the file again\.$"):
        page.studio.data.get("stranger", dataset)


def test_59_one_file_at_a_time(page: Served) -> None:
    before = len(datasets(page))
    two = page.upload(("a.csv", b"q,a\nx,y\n"), ("b.csv", b"q,a\nx,y\n"))
    assert (two.status_code, two.text) == (400, "One file at a time, please. Upload the others after it.")
    one_by_one = [page.upload((name, b"q,a\nx,y\n")).json()[0] for name in ("a.csv", "b.csv")]
    assert page.choose(one_by_one)["output"] == {"error": None}
    assert len(datasets(page)) == before
    assert [block.file_count for block in page.page.blocks.values() if block.elem_id == "upload"] == ["single"]


def test_60_the_same_file_twice_and_one_that_is_gone(page: Served) -> None:
    before = len(datasets(page))
    path = uploaded(page)
    assert "conversation" in answered(page, path)
    assert not Path(path).exists()  # the home has its copy
    assert "conversation" in answered(page, uploaded(page))
    assert len(datasets(page)) == before + 2
    assert "a.csv cannot be opened (No such file or directory). Upload it again." in answered(page, path)
    assert len(datasets(page)) == before + 2


def test_62_a_paste_that_is_too_long(page: Served) -> None:
    with pytest.raises(DataError) as caught:
        page.studio.data.add_text(LOCAL, "x" * 1_200_000)
    assert str(caught.value) == "The pasted text has 1.2 MB; up to 1 MB can be pasted. Save it as a file and upload that."
