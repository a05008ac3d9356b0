"""The worked examples of the documents: of each line in a code block that begins with a name or with hex, the bytes."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[3] / "docs"
SECRET, HASH = b"\xaa" * 32, b"\xbb" * 32

_PLACEHOLDERS = {"SECRET": SECRET.hex(), "HASH": HASH.hex()}
_LINE = re.compile(r"([A-Z]\w+) +((?:[0-9a-f]{2,}|SECRET|HASH)(?: (?:[0-9a-f]{2,}|SECRET|HASH))*)(?:  +(.*))?$")


def of_protocol() -> dict[str, bytes]:
    """By name and what the document says of it. Both lanes have a `Message: hi`: the second one is the one to the player."""
    found = {}
    for line in _in_blocks("player-protocol.md"):
        match = _LINE.match(line)
        if match is None:
            raise AssertionError(f"an example that is not understood: {line}")
        name, text, says = match.groups()
        key = f"{name}: {says}" if says else name
        if key == "Message: hi" and key in found:
            key = "Message to the player: hi"
        if key in found:
            raise AssertionError(f"twice: {key}")
        found[key] = bytes.fromhex("".join(_PLACEHOLDERS.get(word, word) for word in text.split(" ")))
    return found


def snapshot_of_arena() -> bytes:
    lines = [line for line in _in_blocks("arena.md") if line[0] not in "#"]
    return bytes.fromhex("".join(line.split("  ")[0].replace(" ", "") for line in lines))


def _in_blocks(document: str):
    """Lines of code blocks without a language."""
    language = None
    for line in (DOCS / document).read_text().splitlines():
        if line.startswith("```"):
            language = None if language is not None else line.removeprefix("```") or "none"
        elif language == "none":
            yield line
