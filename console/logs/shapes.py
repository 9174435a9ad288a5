"""What the paths of many calls have in common, where no document says it: parts that look like values are `{id}`."""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST = 200
WORD = re.compile(r"[A-Za-z_.~-][A-Za-z0-9_.~:-]{0,39}")
# four digits anywhere (dates, order numbers), eight hexadecimal ones or twenty letters with a digit: names have no such
MADE = re.compile(r"(?:\D*\d){4}.*|(?=\D*\d)(?:[0-9A-Fa-f-]{8,}|.{20,})")


def call_shape(method: str, path: str) -> str:
    """``GET`` of ``/orders/4711/lines`` is ``GET /orders/{id}/lines``.

    At most `LONGEST` characters behind the method, whatever anybody calls. Most paths differ in their last part only, so
    the others are remembered.
    """
    before, _, last = path.rpartition("/")
    return f"{_start(method, before)}/{last if _is_word(last) else '{id}'}"[: LONGEST + len(method)]


@lru_cache(maxsize=8192)
def _start(method: str, path: str) -> str:
    return f"{method} {shape(path)}" if path else f"{method} "


def shape(path: str) -> str:
    """Of as many parts; a path without any is empty."""
    return "/".join(part if _is_word(part) else "{id}" for part in path.split("/"))


def _is_word(part: str) -> bool:
    return not part or (not part.isdecimal() and WORD.fullmatch(part) is not None and MADE.fullmatch(part) is None)
