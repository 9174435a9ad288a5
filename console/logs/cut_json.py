"""JSON that was cut short, ended where it can be: so the beginning of a body is read, and masked, as JSON, too."""

from __future__ import annotations

import re
from typing import Any

import orjson

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)
# also half of a surrogate pair
_CUT_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)(?:\\u[dD][89abAB][0-9a-fA-F]{2})?(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z")


def read(text: str) -> Any:
    """What it says, as far as it goes; `ValueError` when it is no JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return orjson.loads(closed(text))


def closed(text: str) -> str:
    """Up to the last value that is whole, or a text in the middle of it, with every bracket that is still open closed."""
    brackets: list[str] = []
    end, rest, is_key, last = 0, "", False, None
    for last in _TOKEN.finditer(text):
        said = last[0]
        if said in "{[":
            brackets.append("}" if said == "{" else "]")
            end, is_key = last.end(), said == "{"
        elif said in "]}":
            if brackets:
                brackets.pop()
            end = last.end()
        elif said == ",":
            is_key = brackets[-1:] == ["}"]
        elif said == ":":
            is_key = False
        elif not is_key and (_is_whole(said) or last.end() < len(text)):
            end = last.end()  # a number at the very end may go on
    if last is not None and last[0][0] == '"' and not _is_whole(last[0]) and not is_key:
        end, rest = last.start(), _CUT_ESCAPE.sub(r"\1", last[0]) + '"'
    return text[:end] + rest + "".join(reversed(brackets))


def _is_whole(said: str) -> bool:
    """A text with both of its quotes."""
    return len(said) > 1 and said[0] == '"' == said[-1] and not re.search(r'(?<!\\)(?:\\\\)*\\"\Z', said)
