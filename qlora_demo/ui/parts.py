"""Small pieces of wording and html that several tabs use. Every text that a person gave goes through `esc`."""

from __future__ import annotations

import html
import re
import time
from typing import Any

import gradio as gr


def esc(value: object) -> str:
    """Safe inside html text and inside a quoted attribute."""
    return html.escape(str(value), quote=True)


LIKE_HTML = re.compile(r"<(?=[a-zA-Z/!?])|&(?=#|\w+;)")


def literal(value: str) -> str:
    """For a chat box, which renders html even without markdown: tags and entities are escaped, so that they are read as they were written."""
    return LIKE_HTML.sub(lambda found: html.escape(found[0]), value)


ESCAPED = re.compile("&(?:lt|gt|amp);")


def unescaped(value: str) -> str:
    """What `literal` made of a text, as it was."""
    return ESCAPED.sub(lambda found: html.unescape(found[0]), value)


def size(count: float) -> str:
    """Bytes in words: "5.1 GB", "98 MB"."""
    if count >= 9.95e9:
        return f"{count / 1e9:.0f} GB"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def duration(seconds: float) -> str:
    """Exact, for what has been: "51 s", "2 min 51 s", "1 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def roughly(seconds: float) -> str:
    """Rounded, for what is to come: "10 s", "40 s", "3 min", "2 h"."""
    if seconds < 55:
        return f"{max(10, round(seconds, -1)):.0f} s"
    if seconds < 5400:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.0f} h"


def day(when: float) -> str:
    """ "1 Dec", of seconds since the epoch."""
    date = time.localtime(when)
    return f"{date.tm_mday} {time.strftime('%b', date)}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def counted(number: int, noun: str) -> str:
    """ "1 conversation", "1,240 conversations"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def times(number: float) -> str:
    """How often the data is read: "once", "3 times", "2.5 times"."""
    return "once" if number == 1 else f"{number:g} times"


def bar(share: float, label: str, kind: str = "") -> str:
    """A bar filled to `share` (0 to 1; more is clamped). `label` is what a screen reader says."""
    percent = round(100 * min(1.0, max(0.0, share)))
    return f'<div class="qd-bar {esc(kind)}" role="img" aria-label="{esc(label)}"><span style="width:{percent}%"></span></div>'


def alert(text: str) -> str:
    """A problem, with its word and colour; "" for none."""
    return f'<p class="qd-note qd-bad" role="alert">{esc(text)}</p>' if text else ""


def note(text: str, kind: str = "") -> str:
    """A remark in its own box; `kind` is "", "qd-good" or "qd-warn". "" for none."""
    return f'<p class="qd-note {esc(kind)}">{esc(text)}</p>' if text else ""


def heading(text: str, level: int = 2) -> str:
    return f'<h{level} class="qd-h{level}">{esc(text)}</h{level}>'


def table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """An html table of escaped cells; a `head` of empty texts is left out. It scrolls sideways where it is too wide."""
    top = "".join(f'<th scope="col">{esc(cell)}</th>' for cell in head) if any(head) else ""
    body = "".join("<tr>" + "".join(f"<td>{esc(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="qd-scroll" tabindex="0" role="region" aria-label="Table"><table class="qd-table"><tr>{top}</tr>{body}</table></div>'


def text(value: str, **properties: Any) -> gr.HTML:
    """A text of the page that code can change: without the inner margin that gradio gives its html."""
    return gr.HTML(value, padding=False, **properties)


def button(label: str, visible: bool) -> dict:
    """Shows or hides a button. A button that comes back without its words has none."""
    return gr.update(value=label, visible=visible)


def shown(html_text: str) -> dict:
    """Sets a gr.HTML, and hides it where there is nothing to say, so that it leaves no gap."""
    return gr.update(value=html_text, visible=bool(html_text))
