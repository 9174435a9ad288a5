"""What callers say they would like: media types (RFC 9110 section 12.5.1), and preferences (RFC 7240)."""

from __future__ import annotations

import re

PREFERENCE = re.compile(
    r"""\s*([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?\s*(?:;[^,]*)?(?:,|$)"""
)
MOST = 2000  # characters that are looked at


def preferences(text: str) -> dict[str, str]:
    """``status=404, example="no stock"``; of one that is there twice the first counts (RFC 7240 section 2)."""
    found: dict[str, str] = {}
    for name, quoted, plain in PREFERENCE.findall(text[:MOST]):
        found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)
    return found


def best(offered: list[str], accept: str) -> str | None:
    """The one that is liked most; of those liked alike JSON, then the first. None when none is acceptable."""
    liked = [(_quality(one, accept), _is_json(one), -place, one) for place, one in enumerate(offered)]
    quality, _, _, one = max(liked)
    return one if quality > 0 else None


def _is_json(media: str) -> int:
    kind = media.split(";")[0].strip().lower()
    return 2 if kind == "application/json" else 1 if kind.endswith("+json") else 0


def _quality(media: str, accept: str) -> float:
    """By the most specific range that fits."""
    if not accept.strip():
        return 1.0
    kind, best_fit, quality = media.split(";")[0].strip().lower(), -1, 0.0
    for part in accept[:MOST].split(","):
        said, *parameters = (p.strip().lower() for p in part.split(";"))
        fit = (
            2 if said == kind or "*" in kind else 1 if said == kind.split("/")[0] + "/*" else 0 if said == "*/*" else -1
        )
        if fit > best_fit:
            best_fit, quality = fit, _weight(parameters)
    return quality


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if re.fullmatch(r"q=(0(\.\d{0,3})?|1(\.0{0,3})?)", parameter):
            return float(parameter[2:])
    return 1.0
