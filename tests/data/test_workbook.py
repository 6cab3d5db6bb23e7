"""A sheet becomes rows of text with the numbers that a spreadsheet program shows; hostile workbooks become sentences, within little memory."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qlora_demo.data import workbook
from qlora_demo.data.table import Entry, Limits, Table
from qlora_demo.data.wording import Mistake
from qlora_demo.data.workbook import read_workbook
from qlora_demo.errors import DataError, WayOut

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
STYLES = (
    f'<styleSheet {MAIN}><numFmts><numFmt numFmtId="200" formatCode="[h]:mm:ss"/></numFmts>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="20"/><xf numFmtId="200"/></cellXfs></styleSheet>'
)
BROKEN = "shop.xlsx is a broken workbook, or has a password. Open it in a spreadsheet program, save it without one and upload that."
TOO_LARGE = "shop.xlsx is too large to be read as a workbook. Save the sheet as CSV and upload that."
MOST_MEMORY = 300_000_000
CHILD = """
import sys
from pathlib import Path
from qlora_demo.data.table import Limits
from qlora_demo.data.workbook import read_workbook
from qlora_demo.errors import DataError
from qlora_demo.systems import peak_memory
try:
    print(sum(1 for _ in read_workbook(Path(sys.argv[1]), "shop.xlsx", "", Limits()).entries()), "rows")
except DataError as error:
    print(error)
print(peak_memory())
"""


def packed(members: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return buffer.getvalue()


def parts(sheets: Mapping[str, str], shared: str = "", **more: str) -> dict[str, str]:
    """A workbook's members. `sheets` is name -> rows as XML; a name "Secret/hidden" has that state; rows None make a sheet of charts."""
    listed, relations = [], []
    members = {"xl/styles.xml": STYLES, "xl/sharedStrings.xml": f"<sst {MAIN}>{shared}</sst>"}
    for number, (name, rows) in enumerate(sheets.items(), 1):
        name, _, state = name.partition("/")
        folder = "chartsheets" if state == "chart" else "worksheets"
        listed.append(f'<sheet name="{name}" sheetId="{number}" state="{state if "idden" in state else "visible"}" r:id="rId{number}"/>')
        target = f"{folder}/sheet{number}.xml"
        relations.append(f'<Relationship Id="rId{number}" Type="{OFFICE}/{folder[:-1]}" Target="{target}"/>')
        root = "chartsheet" if state == "chart" else "worksheet"
        members[f"xl/{target}"] = f"<{root} {MAIN}><sheetData>{rows}</sheetData></{root}>"
    start = f'<Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    members["_rels/.rels"] = f"<Relationships {RELATIONS}>{start}</Relationships>"
    members["xl/workbook.xml"] = f'<workbook {MAIN} xmlns:r="{OFFICE}"><sheets>{"".join(listed)}</sheets></workbook>'
    members["xl/_rels/workbook.xml.rels"] = f"<Relationships {RELATIONS}>{''.join(relations)}</Relationships>"
    return {**members, **more}


def row(*cells: str, number: int = 0) -> str:
    place = f' r="{number}"' if number else ""
    return f"<row{place}>{''.join(cells)}</row>"


def text(value: str) -> str:
    return f'<c t="inlineStr"><is><t>{value}</t></is></c>'


def texts(*values: str) -> str:
    return row(*map(text, values))


def spread(*values: str) -> str:
    return "".join(f"<c>{value}</c>" if value else "<c/>" for value in values)


def open_document(body: str) -> bytes:
    spaces = " ".join(f'xmlns:{prefix}="urn:{prefix}"' for prefix in ("office", "table", "text"))
    inside = f"<office:body><office:spreadsheet>{body}</office:spreadsheet></office:body>"
    content = f"<office:document-content {spaces}>{inside}</office:document-content>"
    mime = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = '<manifest:manifest xmlns:manifest="urn:manifest"/>'
    return packed({"mimetype": mime, "META-INF/manifest.xml": manifest, "content.xml": content})


def open_row(*values: str, repeated: int = 1) -> str:
    cells = "".join(f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>' for value in values)
    return f'<table:table-row table:number-rows-repeated="{repeated}">{cells}</table:table-row>'


def read(folder: Path, content: bytes, sheet: str = "", limits: Limits | None = None) -> Table:
    (folder / "upload").write_bytes(content)
    return read_workbook(folder / "upload", "shop.xlsx", sheet, limits or Limits())


def refused(folder: Path, content: bytes, sheet: str = "", limits: Limits | None = None) -> DataError:
    with pytest.raises(DataError) as error:
        list(read(folder, content, sheet, limits).entries())
    return error.value


def rows(table: Table) -> list[tuple[str, tuple[str, ...]]]:
    return [(entry.position, tuple(entry.values.values())) for entry in table.entries() if isinstance(entry, Entry)]


SHOP = parts(
    {
        "Notes": "",
        "Orders": texts("Orders of 2024", "", "")
        + row()
        + texts("question", "answer", "note")
        + texts("When?", "At ten", "a")
        + texts("Who?", "We", ""),
        "Lists/hidden": texts("question", "answer") + texts("x", "y"),
    }
)


def test_the_first_sheet_with_rows_and_its_title(tmp_path: Path) -> None:
    table = read(tmp_path, packed(SHOP))
    assert (table.name, table.kind, table.columns) == ("shop.xlsx", "workbook", ("question", "answer", "note"))
    assert (table.sheets, table.sheet) == (("Notes", "Orders", "Lists"), "Orders")
    assert table.notes == ("The first row is a title and was skipped.",)
    assert rows(table) == rows(table) == [("row 4", ("When?", "At ten", "a")), ("row 5", ("Who?", "We", ""))]


def test_another_sheet_can_be_chosen(tmp_path: Path) -> None:
    assert rows(read(tmp_path, packed(SHOP), "Lists")) == [("row 2", ("x", "y"))]
    unknown = refused(tmp_path, packed(SHOP), "Offers")
    assert str(unknown) == "shop.xlsx has no sheet called 'Offers'. It has: Notes, Orders, Lists."
    assert unknown.ways_out[1] == WayOut("Read 'Orders'", {"sheet": "Orders"})
    assert str(refused(tmp_path, packed(SHOP), "Notes")) == "The sheet 'Notes' of shop.xlsx is empty. Choose another sheet."


def test_a_hidden_sheet_is_read_only_where_no_other_has_rows(tmp_path: Path) -> None:
    table = texts("question", "answer") + texts("x", "y")
    assert read(tmp_path, packed(parts({"Lists/veryHidden": table, "Orders": table}))).sheet == "Orders"
    assert read(tmp_path, packed(parts({"Lists/hidden": table, "Orders": texts(" ", "")}))).sheet == "Lists"


def test_rows_are_counted_as_the_spreadsheet_shows_them(tmp_path: Path) -> None:
    body = row('<c r="B3" t="s"><v>0</v></c>', '<c r="C3" t="s"><v>1</v></c>', number=3) + row('<c r="C7"><v>2</v></c>', number=7)
    table = read(tmp_path, packed(parts({"A": body}, shared="<si><t>question</t></si><si><r><t>an</t></r><r><t>swer</t></r></si>")))
    assert table.columns == ("question", "answer")
    assert rows(table) == [("row 7", ("", "2"))]


def test_cells_are_text_as_a_person_reads_them(tmp_path: Path) -> None:
    numbers = ("5.0", "0.30000000000000004", "-2.5", "1e20", "NaN")
    cells = [f"<c><v>{number}</v></c>" for number in numbers]
    cells += [f'<c s="{style}"><v>{value}</v></c>' for style, value in ((1, 45000), (1, 45000.25), (2, 0.5), (3, 1.5))]
    cells += ['<c t="b"><v>1</v></c>', '<c t="b"><v>0</v></c>', '<c t="e"><v>#N/A</v></c>']
    cells += ["<c><f>1+1</f><v>2</v></c>", '<c t="str"><v>a&amp;b</v></c>']
    names = texts(*(f"n{i}" for i in range(len(cells))))
    assert rows(read(tmp_path, packed(parts({"A": names + row(*cells)}))))[0][1] == (
        *("5", "0.3", "-2.5", "1e+20", ""),
        *("2023-03-15", "2023-03-15T06:00:00", "12:00:00", "36:00:00"),
        *("TRUE", "FALSE", "", "2", "a&b"),
    )


def test_columns_without_a_name_and_names_that_stand_twice(tmp_path: Path) -> None:
    body = texts("question", "", "answer", "") + texts("x", "note", "y", "")
    assert read(tmp_path, packed(parts({"A": body}))).columns == ("question", "column 2", "answer")
    twice = refused(tmp_path, packed(parts({"A": texts("answer", "answer") + texts("x", "y")})))
    assert str(twice) == "shop.xlsx has two columns called 'answer'. Rename one and upload it again."
    few = refused(tmp_path, packed(parts({"A": body})), limits=Limits(max_columns=2))
    assert str(few) == "shop.xlsx has 3 columns; up to 2 are read. Leave some out and upload it again."


def test_a_row_that_cannot_be_used_is_a_mistake_and_the_others_come(tmp_path: Path) -> None:
    body = texts("question", "answer") + texts("x", "y" * 30) + row(text("z"), '<c s="3"><v>3e9</v></c>') + texts("a", "b")
    items = list(read(tmp_path, packed(parts({"A": body})), limits=Limits(max_cell_bytes=20)).entries())
    assert items == [
        Mistake("row 2", "column 'answer' holds 0 MB; one value may have 0 MB"),
        Mistake("row 3", "a date or time that no calendar has", "holds"),
        Entry("row 4", {"question": "a", "answer": "b"}),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (packed(parts({"A": ""})), "shop.xlsx is empty. Upload a workbook with column names and rows."),
        (packed(parts({"A": texts("question", "answer")})), "The sheet 'A' of shop.xlsx has column names but no rows. Upload a workbook with rows."),
        (packed(parts({"Sales/chart": ""})), "shop.xlsx has no sheet with cells, only charts or macros. Upload a workbook with a table."),
        (packed(parts({"A": "<row>"})), BROKEN),
        (packed(parts({"A": row('<c r="A9999999"><v>1</v></c>')})), BROKEN),
        (packed(parts({"A": row('<c r="ZZZZ1"><v>1</v></c>')})), BROKEN),
        (
            b"\xd0\xcf\x11\xe0" + b"\0" * 600,
            "shop.xlsx is an old Office document, or it has a password. Save it as .xlsx without a password and upload that.",
        ),
        (packed(parts({"A": row('<c t="s"><v>7</v></c>')})), BROKEN),
        (packed({name: content for name, content in parts({"A": ""}).items() if name != "_rels/.rels"}), BROKEN),
    ],
)
def test_workbooks_that_cannot_be_used(tmp_path: Path, content: bytes, sentence: str) -> None:
    assert str(refused(tmp_path, content)) == sentence


def test_a_libre_office_workbook(tmp_path: Path) -> None:
    values = (
        '<table:table-cell office:value-type="date" office:date-value="2024-01-02"/>'
        '<table:table-cell office:value-type="float" office:value="5"><text:p>5,00</text:p></table:table-cell>'
        '<table:table-cell table:number-columns-repeated="16382"/>'
    )
    body = (
        f'<table:table table:name="Orders">{open_row("question", "answer")}<table:table-row table:number-rows-repeated="3"/>'
        f"<table:table-row>{values}</table:table-row>{open_row('never', 'none', repeated=2)}"
        '<table:table-row table:number-rows-repeated="1048569"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
        "</table:table>"
    )
    table = read(tmp_path, open_document(body))
    assert (table.columns, table.sheets) == (("question", "answer"), ("Orders",))
    assert rows(table) == [("row 5", ("2024-01-02", "5")), ("row 6", ("never", "none")), ("row 7", ("never", "none"))]


def test_no_entity_is_expanded(tmp_path: Path) -> None:
    kinds = ['<!ENTITY e "boom">', '<!ENTITY e SYSTEM "file:///etc/passwd">']
    for kind in kinds:
        sheet = f"<!DOCTYPE x [{kind}]><worksheet {MAIN}><sheetData>{texts('q', '&e;')}{texts('x', '&e;')}</sheetData></worksheet>"
        assert str(refused(tmp_path, packed({**parts({"A": ""}), "xl/worksheets/sheet1.xml": sheet}))) == BROKEN


def test_a_sheet_cannot_hide_from_the_count(tmp_path: Path) -> None:
    members = {name.replace("sheet1.xml", "sheet1.bin"): content.replace("sheet1.xml", "sheet1.bin") for name, content in SHOP.items()}
    assert str(refused(tmp_path, packed(members))) == BROKEN


def test_a_panic_of_the_library_is_a_sentence_and_nothing_else_is_hidden() -> None:
    class PanicException(BaseException):
        """As the library's own, which cannot be imported."""

    def panic() -> None:
        raise PanicException

    with pytest.raises(DataError, match=r"^shop.xlsx is a broken workbook"):
        workbook._careful(panic, "shop.xlsx")
    with pytest.raises(KeyboardInterrupt):
        workbook._careful(lambda: (_ for _ in ()).throw(KeyboardInterrupt), "shop.xlsx")


CELL, LONG = '<c t="s"><v>0</v></c>', f"<si><t>{'x' * 30_000}</t></si>"
BOMBS = {
    "a million cells that share one long text": parts({"A": row(CELL * 10) * 100_000}, shared=LONG),
    "corners": parts({"A": row('<c r="A1"><v>1</v></c>') + row('<c r="XFD1048576"><v>1</v></c>')}),
    "empty shared texts": parts({"A": texts("x")}, shared="<si/>" * 6_000_000),
    "one long text": parts({"A": texts("x")}, shared=f"<si><t>{'x' * 120_000_000}</t></si>"),
    "one long comment": parts({"A": f"<!--{'x' * 120_000_000}-->"}),
    "formats": parts({"A": texts("x")}, **{"xl/styles.xml": f"<styleSheet><numFmts>{'<numFmt/>' * 2_000_000}</numFmts></styleSheet>"}),
}
SPACES = open_row('z<text:s text:c="900000000"/>')


def in_a_child(folder: Path, content: bytes) -> str:
    (folder / "bomb").write_bytes(content)
    done = subprocess.run([sys.executable, "-c", CHILD, folder / "bomb"], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    said, _, peak = done.stdout.strip().rpartition("\n")
    assert int(peak) < MOST_MEMORY
    return said


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs(tmp_path: Path, bomb: str) -> None:
    assert in_a_child(tmp_path, packed(BOMBS[bomb])) == TOO_LARGE


@pytest.mark.parametrize("body", [open_row("x", repeated=2_000_000), SPACES, open_row("x" * 30_000, repeated=100_000)])
def test_bombs_of_repeats(tmp_path: Path, body: str) -> None:
    assert in_a_child(tmp_path, open_document(f'<table:table table:name="A">{body}</table:table>')) == TOO_LARGE


def test_bombs_of_bytes(tmp_path: Path) -> None:
    spaces = parts({"A": texts("x") + " " * 210_000_000})
    assert in_a_child(tmp_path, packed(spaces)) == "shop.xlsx unpacks to more than 200 MB. Upload a smaller file."


def test_the_largest_that_is_read_stays_within_its_memory(tmp_path: Path) -> None:
    body = texts("question", "answer") + row(CELL * 2) * 300_000
    assert in_a_child(tmp_path, packed(parts({"A": body}, shared=f"<si><t>{'x' * 150}</t></si>"))) == "300000 rows"


SLIPS = ("", '"-1"', '"0"', '"99999999999999999999"', ">", ">1e300<", ">-1e10<", ">nan<", "<", "&e;", "\u00e9", "]]>", "\u0001")
OPEN = open_document(f'<table:table table:name="A">{open_row("q", "a")}{open_row("x", "y", repeated=3)}</table:table>')


# Always the same examples: should native code ever crash, the reader's child ends, but a test would take all others with it.
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(member=st.sampled_from(sorted(SHOP)), at=st.integers(0, 900), cut=st.integers(0, 30), put=st.sampled_from(SLIPS) | st.text(max_size=3))
@example(member="xl/workbook.xml", at=0, cut=2000, put="")
def test_good_workbooks_with_one_slip(tmp_path: Path, member: str, at: int, cut: int, put: str) -> None:
    broken = SHOP[member][:at] + put + SHOP[member][at + cut :]
    try:
        list(read(tmp_path, packed({**SHOP, member: broken})).entries())
    except DataError as error:
        assert str(error).endswith(".")


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(good=st.sampled_from([packed(SHOP), OPEN]), at=st.integers(0, 4000), cut=st.integers(0, 30), put=st.binary(max_size=4))
def test_good_files_with_one_broken_byte(tmp_path: Path, good: bytes, at: int, cut: int, put: bytes) -> None:
    try:
        list(read(tmp_path, good[:at] + put + good[at + cut :]).entries())
    except DataError as error:
        assert str(error).endswith(".")
