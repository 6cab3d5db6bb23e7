"""What tab 1 says of a finding: pure functions to html."""

from __future__ import annotations

from qlora_demo.data.finding import Finding
from qlora_demo.ui.parts import esc

SHOWN_ROWS = 50


def finding_text(finding: Finding) -> str:
    """The sentence, why it matters, and the rows unfolded by a click."""
    mark = '<span class="qd-mark qd-done">Done</span>' if finding.done else '<span class="qd-mark">Note</span>'
    text = f"{mark} {esc(finding.message)}"
    if finding.why:
        text += f' <span class="qd-small">{esc(finding.why)}</span>'
    if not finding.rows:
        return f"<div>{text}</div>"
    places = ", ".join(finding.rows[:SHOWN_ROWS])
    more = f" and {finding.count - SHOWN_ROWS:,} more" if finding.count > SHOWN_ROWS else ""
    return f"<div>{text} <details><summary>Show</summary>{esc(places + more)}</details></div>"


def more_remarks(count: int) -> str:
    """ "4 more remarks"."""
    return f"{max(0, count)} more remark{'' if count == 1 else 's'}"
