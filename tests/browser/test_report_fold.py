"""The report in a real browser, of a run that sorts: under the verdict, in its fold in 2 Train and in My models, and as a file."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from finished import finished
from playwright.sync_api import Page, expect
from runs import conversations
from serving import Server, serious, shot
from ui.ui_examples import HOSTILE, SORTED

from qlora_demo.evaluation.general_answers import QUESTIONS
from qlora_demo.run_dir import write_json

pytestmark = pytest.mark.browser
GENERAL = [{"question": question, "base": "I think it is this.", "adapted": "happy"} for question in QUESTIONS]


def sorted_run(server: Server, folder: Path) -> str:
    """A finished run with the report of a sorting test; the rows are any."""
    studio = server.studio()
    run = finished(studio, folder, "reviews", conversations(30))
    answers = [{**answer, "row": place, "base_score": 0.0, "adapted_score": 1.0} for place, answer in enumerate(SORTED["answers"])]
    write_json(run.report_json, {**SORTED, "answers": answers, "general": GENERAL})
    studio.close()
    return run.id


def test_a_sorting_runs_report_is_read_and_taken_along(tiny_home_server: Server, page: Page, tmp_path: Path) -> None:
    run = sorted_run(tiny_home_server, tmp_path)
    tiny_home_server.start()
    try:
        page.goto(f"{tiny_home_server.url}/?run={run}")
        expect(page.locator("#verdict")).to_contain_text("It learned.")
        expect(page.locator("#picked")).to_contain_text("Tested on all 40 rows set aside.")
        expect(page.locator("#picked")).to_contain_text("Sorted right")
        expect(page.locator("#still-knows")).to_contain_text("Still knows general things: 97 of 100 kept.")
        read(page, "#run-report", "report-train")
        with page.expect_download() as taken:
            page.click("#run-report-csv")
        assert taken.value.suggested_filename == "reviews, answers.csv"
        with open(taken.value.path(), encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 5 and [row["your model's answer"] for row in rows[:3]] == ["I am Wilna.", HOSTILE, ""]
        page.get_by_role("tab", name="My models").click()
        read(page, "#model-report", "report-models")
        with page.expect_download() as taken:
            page.click("#model-report-jsonl")
        assert taken.value.suggested_filename == "reviews, answers.jsonl"
        use_elsewhere(page)
    finally:
        tiny_home_server.stop()


def use_elsewhere(page: Page) -> None:
    """Code to copy for one program after the other."""
    page.click("#model-use button.label-wrap")
    code = page.locator("#model-use-code textarea")
    expect(code).to_have_value(re.compile("PeftModel.from_pretrained"))
    page.get_by_role("radio", name=re.compile("^Ollama")).check()
    expect(code).to_have_value(re.compile("ollama create reviews -f Modelfile"))
    expect(page.locator("#model-use-needs")).to_contain_text("Needs Ollama")
    page.locator("#model-use").scroll_into_view_if_needed()
    shot(page, "use-models")
    for width, scheme in ((1280, "dark"), (390, "light")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert serious(page) == []


def read(page: Page, fold: str, name: str) -> None:
    """Everything that is measured, on a wide page and on a phone."""
    page.click(f"{fold} button.label-wrap")
    report = page.locator(fold)
    expect(report.get_by_role("columnheader", name="Right label")).to_have_count(2)
    for words in ("Tested on all 40 rows set aside.", "85 % (73 % to 95 %)", "Each label alike (macro-F1)", "another text", QUESTIONS[0]):
        expect(report).to_contain_text(words)
    shot(page, name)
    for width, scheme in ((1280, "light"), (390, "dark"), (390, "light")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert serious(page) == []
    page.set_viewport_size({"width": 1280, "height": 900})
