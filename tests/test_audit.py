"""A report of known holes is read right: one that is not explained is told."""

from __future__ import annotations

import json

import pytest

from tools import audit

REPORT = json.dumps(
    {
        "dependencies": [
            {"name": "whole", "version": "1.0", "vulns": []},
            {"name": "left-out", "skip_reason": "not on the index"},
            {"name": "torn", "version": "2.0", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1"]}]},
        ]
    }
)


def test_a_hole_is_told() -> None:
    assert audit.holes(REPORT) == ["torn 2.0: PYSEC-1, mended in 2.1"]


def test_an_explained_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "EXPLAINED", {"CVE-1": "only in a part that is not used"})
    assert audit.holes(REPORT) == []


def test_what_is_no_report_is_no_good_news() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        audit.holes("")


def test_packages_that_were_not_looked_up_are_not_called_clean() -> None:
    assert audit.told(REPORT, 1) == "1 known holes that are not explained, in 2 of 3 packages that the database knows."
    skipped = json.dumps({"dependencies": [{"name": "a", "skip_reason": "not found"}, {"name": "b", "skip_reason": "not found"}]})
    assert audit.told(skipped, 0) == "Not checked for known holes: the database answers for none of 2 packages from here."
