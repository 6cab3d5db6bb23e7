"""Known holes in the installed packages, by pip-audit's database: `python -m tools.audit`. Each exception is listed here with its reason.

Exit code 1 for a hole; 0 where there is none, and where the database does not answer, which is said.
"""

from __future__ import annotations

import json
import subprocess
import sys

EXPLAINED: dict[str, str] = {}
"""Ids of holes that do not concern this app, each with why."""
NO_ANSWER = ("ServiceError", "ConnectionError", "Connection aborted", "Max retries exceeded", "timed out", "Failed to query", "Could not query")
COMMAND = (sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--format", "json", "--progress-spinner", "off", "--timeout", "10")


def main() -> int:
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    try:
        found = holes(done.stdout)
    except ValueError:
        if any(words in done.stderr for words in NO_ANSWER):
            print("Not checked for known holes: the database does not answer from here.")
            return 0
        print(done.stderr, file=sys.stderr)
        return 1
    for line in found:
        print(line)
    print(told(done.stdout, len(found)))
    return 1 if found else 0


def told(report: str, found: int) -> str:
    """How many were looked up at all: behind a mirror the database may know none of them. Raises ValueError where this is no report."""
    packages = json.loads(report)["dependencies"]
    known = sum("vulns" in package for package in packages)
    if not known:
        return f"Not checked for known holes: the database answers for none of {len(packages)} packages from here."
    return f"{found} known holes that are not explained, in {known} of {len(packages)} packages that the database knows."


def holes(report: str) -> list[str]:
    """One line each, without those that are explained. Raises ValueError where this is no report."""
    packages = json.loads(report)["dependencies"]
    known = [(package["name"], package.get("version", ""), hole) for package in packages for hole in package.get("vulns", [])]
    told = [(name, version, hole) for name, version, hole in known if not {hole["id"], *hole.get("aliases", [])} & EXPLAINED.keys()]
    return [f"{name} {version}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no release yet'}" for name, version, hole in told]


if __name__ == "__main__":
    sys.exit(main())
