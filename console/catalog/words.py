"""What counts as a word in a search, and in what is searched: the same here and there."""

from __future__ import annotations

import re
import unicodedata

LONGEST_WORD = 40
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
RUN = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """In lower case and without accents; ``listOrders`` is ``list``, ``orders`` and ``listorders``."""
    out = []
    for run in RUN.findall(_plain(text)):
        if run.islower():
            out.append(run[:LONGEST_WORD])
            continue
        parts = HUMP.split(run)
        out += [part.lower()[:LONGEST_WORD] for part in parts]
        if len(parts) > 1:
            out.append(run.lower()[:LONGEST_WORD])
    return out


def _plain(text: str) -> str:
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
