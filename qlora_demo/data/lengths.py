"""What is said of rows that are longer than the length limit, once their words are counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qlora_demo.data.finding import Finding, numbers, plural
from qlora_demo.data.wording import counted

WHY = "Raise 'Longest row' in 2 Train, under Advanced settings, or shorten them."


def length_findings(tokens: Mapping[str, Any], max_length: int) -> tuple[Finding, ...]:
    """`tokens` as the data worker counts them for this limit."""
    findings = []
    empty, cut = tokens["empty"], tokens["cut"] - tokens["empty"]
    if empty:
        places = tuple(tokens["empty_rows"])
        message = f"{counted(empty, 'row')} {plural(empty, 'is', 'are')} cut before the answer begins ({numbers(places, empty)})."
        findings.append(Finding("cut_to_nothing", empty, places, f"{message} Nothing of that is learned.", WHY))
    if cut > 0:
        places = tuple(place for place in tokens["cut_rows"] if place not in tokens["empty_rows"])
        message = f"{counted(cut, 'row')} {plural(cut, 'is', 'are')} longer than {max_length:,} words or word pieces ({numbers(places, cut)})."
        findings.append(Finding("cut", cut, places, f"{message} What lies beyond is not learned.", WHY))
    return tuple(findings)
