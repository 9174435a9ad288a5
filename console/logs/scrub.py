"""Secrets out of what is kept: credentials have no business in a log, and gateways put them there all the same."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from typing import Any

import orjson

GONE = "[scrubbed]"
MOST_LEVELS = 12
MOST_MEMBERS = 200  # of one object or array
MOST_NAMES = 1000  # that one text is searched for
LONGEST = 4000  # of one text: more is not kept of a record, so more is not looked at
_WORDS = (
    "authori[sz]ation|cookie|api[-_]?key|apikey|key|token|secret|passw|pwd|credential|session|signature|jwt|assertion"
    "|oauth|bearer|private|dpop|proof|csrf|xsrf|(?<![a-z])auth(?![a-z])"
)
_ALONE = "code|pass|pin|sid|sig|otp|code_verifier"
NAME = re.compile(rf"(?:{_WORDS})|^(?:{_ALONE})$", re.IGNORECASE)
# whole messages, as Tyk (base64), APISIX and Kong can be told to log them: what is in there nobody knows
MESSAGE = re.compile(
    r"(?:^|\.)(?:raw_?re(?:quest|sponse)|(?:req(?:uest)?|resp(?:onse)?)?_?body(?:\.content)?|body_file)$", re.IGNORECASE
)

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# by their look: ours, JWTs (signed or encrypted) and what follows the name of a scheme
_SHAPES = re.compile(
    r"\bgw[sklnp]_[0-9A-Za-z_]{8,}|\beyJ[\w-]{8,}(?:\.[\w-]*){0,4}"
    r"|(?<![\w-])(?i:Bearer|Basic|DPoP|Splunk|Digest|Negotiate)(?:\s|%20|\+)+[\w.~+/=%-]{6,}"
)
_HINTS = ("eyJ", "gw", " ", "+", "%20", "\t")  # without any of these there is none of them
_USERINFO = re.compile(r"(?<=://)[^/\s@\"'\\]+@")
_NAMED = rf"(?=[\w.\[\]-]*?(?:{_WORDS}))[\w.\[\]-]++|{_ALONE}"  # linear, whatever the text
Also = frozenset[str]  # names of secrets besides the usual ones


@lru_cache(maxsize=64)
def _patterns(also: Also) -> tuple[tuple[re.Pattern[str], str], ...]:
    """What a secret is found by in a text, each with what is put there instead."""
    named = "|".join([_NAMED, *map(re.escape, sorted(also)[:MOST_NAMES])])
    return (
        # of JSON (escaped once or oftener, and cut short, too), of YAML, XML and GraphQL, and of header lines
        (
            re.compile(
                rf"(\\{{0,7}}[\"'](?:{named})\\{{0,7}}[\"']\s*[:=]\s*|(?<![\w.\[\]\"'-])(?:{named})\s*[:=]\s*(?=[\"']))"
                r"(?:\[[^\]]*\]?|\{[^}]*\}?|(?P<q>\\{0,7}[\"'])(?:(?!(?P=q))(?:\\.|.))*(?:(?P=q))?|[^,}\]\s]+)",
                re.IGNORECASE | re.DOTALL,
            ),
            rf"\1{GONE}",
        ),
        (
            re.compile(rf"((?:^|[\s\"'])(?:{named})\s*:\s*)(?![\s\"'\\])[^\r\n\"]*", re.IGNORECASE | re.MULTILINE),
            rf"\1{GONE}",
        ),
        (
            re.compile(
                rf"([?&;\s\"']|%3F|%26|^)({named})(=|%3D)[^&;\s\"'\\<>%]*(?:%(?!26|3B)[^&;\s\"'\\<>%]*)*",
                re.IGNORECASE | re.MULTILINE,
            ),
            rf"\1\2\3{GONE}",
        ),
    )


def storable(text: str) -> str:
    """Without what JSON may hold and a database does not take: NUL, and half of a surrogate pair."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def scrub_text(text: str, also: Also = frozenset(), longest: int = LONGEST) -> str:
    """Any text, of which nobody knows what it was meant to be."""
    text = text[:longest]
    for pattern, instead in _patterns(also):
        text = pattern.sub(instead, text)
    return scrub_value(_USERINFO.sub(f"{GONE}@", text))


def scrub_value(text: str) -> str:
    """A text that should be short and plain: what looks like a credential all the same."""
    return _SHAPES.sub(GONE, text) if any(map(text.__contains__, _HINTS)) else text


scrub_common = lru_cache(maxsize=2048)(scrub_value)  # for what most records have in common: this is done for each


def scrub(value: Any, levels: int = MOST_LEVELS, also: Also = frozenset()) -> Any:
    """A decoded record, the same but for its secrets. ``also``: names of further ones, in lower case."""
    if isinstance(value, str):
        return _string(value, levels, also)
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        return "[deeper]"
    if isinstance(value, list):
        return [scrub(item, levels - 1, also) for item in value[:MOST_MEMBERS]]
    members = islice(value.items(), MOST_MEMBERS)
    return {scrub_value(str(k)[:200]): _member(str(k)[:200], v, value, levels, also) for k, v in members}


def _member(name: str, value: Any, around: dict[str, Any], levels: int, also: Also) -> Any:
    if name == "value":  # a pair, as OTLP writes it (`key`) and others do (`name`)
        name = str(around.get("key", around.get("name", "")))[:200]
    elif name == "key" and "value" in around:
        name = ""
    if MESSAGE.search(name):
        return "[left out]"
    is_status = isinstance(value, int) and 0 <= value < 1000  # `code` is a name of that, too
    is_secret = name.lower() in also or (NAME.search(name) and not is_status)
    return GONE if is_secret else scrub(value, levels - 1, also)


def _string(text: str, levels: int, also: Also) -> str:
    """A text in a record may be a record itself, as a shipper reads it from a file."""
    if levels and len(text) <= LONGEST and text.lstrip().startswith(("{", "[")):
        try:
            return orjson.dumps(scrub(orjson.loads(text), levels - 1, also)).decode()
        except (orjson.JSONDecodeError, TypeError, ValueError):
            pass
    return scrub_text(text, also)
