"""Text that would be code in a careless page, in data, names, logs, errors and answers: nothing of it runs, and nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import pytest
from data.served import Served, serve
from finished import finished
from playwright.sync_api import BrowserContext, Page, expect
from runs import conversations
from ui_examples import TEXTS

from qlora_demo.chat.client import Turn
from qlora_demo.data.conversation import Conversation, Message
from qlora_demo.events import EventWriter
from qlora_demo.run_dir import RunDir, write_json

pytestmark = pytest.mark.browser
EVIL = "https://evil.example"
HIT = "window.hit=(window.hit||0)+1,alert(1)"
PAYLOADS = {
    "script": f"<script>{HIT}</script>",
    "error handler": f'<img src=x onerror="{HIT}">',
    "beacon": f'<img src="{EVIL}/beacon.png"><picture><source srcset="{EVIL}/set.png"><img></picture>',
    "svg": f'<svg onload="{HIT}"><animate onbegin="{HIT}" attributeName=x dur=1s></svg>',
    "link": f'<a href="javascript:{HIT}" id=evil>a link</a> [md](javascript:{HIT}) <javascript:{HIT}>',
    "mathml": f'<math><maction actiontype="statusline" xlink:href="javascript:{HIT}">x</maction></math>',
    "latex": f"$\\href{{javascript:{HIT}}}{{x}}$ $$\\htmlData{{onload={HIT}}}{{y}}$$ \\(\\url{{javascript:{HIT}}}\\)",
    "latex image": f"$\\includegraphics{{{EVIL}/latex.png}}$ \\[\\htmlStyle{{background:url({EVIL}/l)}}{{z}}\\]",
    "style": f"<style>@import '{EVIL}/x.css'; body{{background:url({EVIL}/bg.png)}}</style><link rel=stylesheet href={EVIL}/y.css>",
    "base": f'<base href="{EVIL}/"><meta http-equiv="refresh" content="0;url={EVIL}/">',
    "frame": f'<iframe src="{EVIL}/frame" srcdoc="<script>parent.hit=1</script>"></iframe>',
    "form": f'<form action="{EVIL}/form"><input autofocus onfocus="{HIT}"><button formaction="javascript:{HIT}">go</button></form>',
    "data": f'<object data="data:text/html,<script>{HIT}</script>"></object><embed src="data:text/html,<script>{HIT}</script>">',
    "markdown image": f"![x]({EVIL}/md.png) ![y][z]\n\n[z]: {EVIL}/ref.png",
    "template": f"${{{HIT}}} `${{{HIT}}}` {{{{constructor.constructor('{HIT}')()}}}} ${{this.constructor.constructor('{HIT}')()}} <%= {HIT} %>",
    "breaking out": f"\"'></textarea></title></script></style>--><details open ontoggle=\"{HIT}\"><summary>x</summary></details>",
}
ALIVE = """() => [...document.querySelectorAll(
    "a[href^='javascript:'], #evil, [onerror], [onload], [ontoggle], [onfocus]," +
    "iframe, base:not([href='./']), object, embed, maction, [src*='evil.example']"
)].map(one => one.outerHTML.slice(0, 200))"""
NAMES = {name: text.replace("/", "\u2215") for name, text in PAYLOADS.items()}
"""As a file can be called: a slash would be a folder."""


@dataclass
class Watchman:
    """What must stay empty while a page is looked at."""

    dialogs: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext, page: Page, own: str) -> None:
        def route(one) -> None:
            if one.request.url.startswith((own, "data:", "blob:")):
                one.continue_()
            else:
                self.foreign.append(one.request.url)
                one.abort()

        context.route("**/*", route)
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        page.on("console", lambda message: self.blocked.append(message.text) if "Content Security Policy" in message.text else None)

    def check(self, page: Page) -> None:
        page.wait_for_timeout(300)
        assert page.evaluate("window.hit || 0") == 0
        assert page.evaluate(ALIVE) == []
        assert (self.dialogs, self.foreign, self.blocked) == ([], [], [])


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    (tmp_path / "uploads").mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    with serve(tmp_path, max_upload_mb=10) as made:
        yield made


@pytest.fixture
def watchman(served: Served, page: Page) -> Watchman:
    made = Watchman()
    made.over(page.context, page, served.url)
    return made


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
    page.wait_for_timeout(700)


def opened(served: Served, page: Page, query: str = "") -> None:
    page.goto(served.url + query)
    expect(page.locator("#activity")).to_be_visible()
    page.wait_for_timeout(700)


def test_in_data_and_in_the_names_of_files(served: Served, page: Page, watchman: Watchman) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    rows = "".join(f"{quoted(text)},{quoted(text + text)}\n" for text in PAYLOADS.values())
    opened(served, page)
    shown = title = ""
    for name in NAMES.values():
        content = f"question,answer\n{rows}"
        page.set_input_files("#upload input[type=file]", {"name": f"{name}.csv"[:200], "mimeType": "text/csv", "buffer": content.encode()})
        expect(page.locator("#data-title")).not_to_have_text(title)
        expect(page.locator("#data-counts")).to_contain_text("16 conversations")
        page.wait_for_timeout(300)
        watchman.check(page)
        title = page.locator("#data-title").inner_text()
        shown += title
    assert "alert(1)" in shown
    for _ in PAYLOADS:
        page.click("#data-next")
        page.wait_for_timeout(200)
    assert "alert(1)" in page.locator("#data-preview").inner_text() or EVIL in page.locator("#data-preview").inner_text()
    page.click("#data-seen button.label-wrap")
    page.click("#data-numbers button.label-wrap")
    watchman.check(page)
    columns = ",".join(quoted(text) for text in PAYLOADS.values())
    page.set_input_files("#upload input[type=file]", {"name": "columns.csv", "mimeType": "text/csv", "buffer": f"{columns}\n{columns}x\n".encode()})
    page.wait_for_timeout(2000)
    watchman.check(page)


def test_in_errors(served: Served, page: Page, watchman: Watchman) -> None:
    opened(served, page)
    for name, text in NAMES.items():
        page.set_input_files("#upload input[type=file]", {"name": f"{text}.csv"[:200], "mimeType": "text/csv", "buffer": b'a,b\n1,2,3\n"x'})
        expect(page.locator("#data-problem")).to_be_visible()
        page.wait_for_timeout(300)
        watchman.check(page)
        assert page.locator("#data-problem").inner_text().strip(), name


def hostile(run: RunDir) -> None:
    """Everything that a worker writes, with the payloads in it."""
    texts = list(PAYLOADS.values())
    events = EventWriter(run.events, 1)
    events.write("phase", phase="learning")
    events.write("plan", steps=3, tokens=100, rows=16, trainable_parameters=5)
    events.write("watch", questions=[{"question": text, "expected": text, "set_aside": True} for text in texts])
    for step in (0, 3):
        for index, text in enumerate(texts):
            events.write("sample", step, index=index, answer=text)
    for text in texts:
        events.write("note", text=text)
    for step in (1, 2, 3):
        events.write("step", step, loss=1.0 / step, seconds_left=1, tokens_per_second=5, memory_bytes=10**9, learning_rate=1e-4, grad_norm=1.0)
        events.write("held_out", step, loss=1.5 / step)
    events.close()
    answers = [{"question": text, "expected": text, "base": text, "adapted": text} for text in texts]
    everything = "\n".join(texts)
    advice = {"reason": everything, "button": texts[0], "changes": {"epochs": 20.0}}
    general = [{"question": text, "base": text, "adapted": text} for text in texts]
    counts = [[1] * (len(texts[:8]) + 1)] * len(texts[:8])
    more = {"general": general, "picked": {"best": 0, "worst": 1, "changed": 2}, "code": {**TEXTS["code"], "language": texts[0]}}
    more["confusion"] = {"labels": texts[:8], "base": counts, "adapted": counts}
    write_json(run.report_json, {**TEXTS, **more, "verdict": everything, "answers": answers, "learned": "no", "advice": advice})
    write_json(run.result_json, {"outcome": "finished", "reason": everything, "artifact_bytes": 5, "steps": 3})
    run.log.write_text(everything)


def beside_a_chat(page: Page, watchman: Watchman, texts: list[str]) -> None:
    """Differing words, the data's own answer, a blind vote."""
    page.click("#differences")
    expect(page.locator("#chat-yours mark").first).to_be_visible()
    watchman.check(page)
    page.locator("#unseen-0").click()
    page.click("#own-answer")
    watchman.check(page)
    page.click("#try-blind")
    page.get_by_role("radio", name="My own questions").check()
    page.locator("#blind-own textarea").fill("\n".join(text.replace("\n", " ") for text in texts))
    page.click("#blind-start")
    for _ in texts:
        page.click("#blind-choice-a")
        page.wait_for_timeout(300)
        watchman.check(page)
    expect(page.locator("#blind-result")).to_contain_text("You chose")
    watchman.check(page)


def test_in_runs_and_in_what_a_model_answers(
    served: Served, page: Page, watchman: Watchman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = list(PAYLOADS.values())
    asked = [Conversation((Message("system", text), Message("user", text), Message("assistant", text))) for text in texts]
    runs = [finished(served.studio, tmp_path, text[:60], [*asked, *conversations(20)]) for text in texts]
    for run in runs:
        hostile(run)
    opened(served, page, f"?run={runs[0].id}")
    expect(page.locator("#verdict")).to_be_visible()
    for place in page.locator("#train-run button.label-wrap").all():
        if place.is_visible():
            place.click()
            page.wait_for_timeout(200)
    for button in ("#answer-next", "#answer-previous"):
        for _ in range(4):
            if page.locator(button).is_visible() and page.locator(button).is_enabled():
                page.click(button)
                page.wait_for_timeout(150)
    watchman.check(page)
    assert "alert(1)" in page.locator("#tab-train").inner_text() or "alert(1)" in page.locator("#train-run").inner_text()
    tab(page, "My models")
    watchman.check(page)

    said = cycle(texts)

    def answers(*_: object) -> Iterator[Turn]:
        text = next(said)
        yield Turn(base=text[:20], adapted=text[:20], status="answering")
        yield Turn(base=text, adapted=f"{text} {text}", status="done", tokens=5, seconds=0.1)

    monkeypatch.setattr(served.studio, "ask", answers)
    tab(page, "3 Chat")
    for number, text in enumerate(texts, 1):
        page.locator("#question textarea").fill(text)
        page.click("#ask")
        expect(page.locator("#chat-status")).to_contain_text("Both answered in")
        expect(page.locator("#chat [data-testid=bot]")).to_have_count(2 * number)
        page.wait_for_timeout(200)
        watchman.check(page)
    assert page.locator("#chat").inner_text().count("alert(1)") > 20
    beside_a_chat(page, watchman, texts[:3])
    page.reload()  # the conversation is kept, and drawn again from what the browser remembers
    tab(page, "3 Chat")
    watchman.check(page)
    for name in ("1 Data", "2 Train", "My models", "How it works"):
        tab(page, name)
        watchman.check(page)


def test_the_watchman_sees_what_runs(served: Served, page: Page, watchman: Watchman) -> None:
    """What these tests rest on: code that ran, what was asked for elsewhere, and what the policy stopped, are all seen."""
    opened(served, page)
    page.evaluate(f"document.body.insertAdjacentHTML('beforeend', `{PAYLOADS['error handler']}{PAYLOADS['beacon']}`)")
    page.wait_for_timeout(1000)
    assert watchman.dialogs == ["1"]
    assert page.evaluate("window.hit") == 1
    assert watchman.foreign == []  # the policy keeps it from being asked for
    assert any(EVIL in text for text in watchman.blocked)
