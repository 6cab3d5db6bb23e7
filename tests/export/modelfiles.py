"""Reads a Modelfile as Ollama's own reader does (its parser/parser.go): the same rules, written anew."""

from __future__ import annotations


def read(text: str) -> list[tuple[str, str]]:
    """(command, value) of each line that is no comment; of PARAMETER the value begins with its name. Raises ValueError."""
    found: list[tuple[str, str]] = []
    name, value = "", ""
    for line in text.splitlines(keepends=True):
        if not name and (line.startswith("#") or not line.strip()):
            continue
        if not name:
            name, _, line = line.partition(" ")
            if name not in ("FROM", "ADAPTER", "TEMPLATE", "SYSTEM", "PARAMETER"):
                raise ValueError(f"no command: {name}")
        value += "".join(char for char in line if char.isprintable() or char in "\n\t\r")
        whole = _unquoted(value.strip(), name)
        if whole is not None:
            found.append((name, whole))
            name, value = "", ""
    if name:
        raise ValueError(f"{name} does not end")
    return found


def _unquoted(value: str, name: str) -> str | None:
    """None while quotes are open."""
    head, value = ("", value) if name != "PARAMETER" else (value.partition(" ")[0] + " ", value.partition(" ")[2])
    if value.startswith('"""'):
        return head + value[3:-3] if len(value) >= 6 and value.endswith('"""') else None
    if value.startswith('"'):
        return head + value[1:-1] if len(value) >= 2 and value.endswith('"') else None
    return head + value
