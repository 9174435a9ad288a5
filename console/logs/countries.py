"""The country of a caller's network, from a database in MaxMind's format that the site provides; else nothing is known."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import maxminddb

from ..errors import Refused
from ..runtime import runtime

CountryOf = Callable[[str], str]
REMEMBERED = 65_536


def country_finder() -> CountryOf:
    """ISO 3166-1 code of two letters; empty for private addresses, and for what is none."""
    file = runtime().config.geoip_file
    return _finder(file) if file else _nowhere


def _nowhere(_address: str) -> str:
    return ""


@lru_cache(maxsize=4)
def _finder(file: str) -> CountryOf:
    """Opened once in a process; a new file takes a restart."""
    reader = open_database(file)

    @lru_cache(maxsize=REMEMBERED)
    def find(address: str) -> str:
        try:
            found = reader.get(address)
        except ValueError:
            return ""
        for name in ("country", "registered_country"):
            part = found.get(name) if isinstance(found, dict) else None
            code = part.get("iso_code") if isinstance(part, dict) else None
            if isinstance(code, str) and len(code) == 2:
                return code.upper()
        return ""

    return find


def open_database(file: str) -> maxminddb.Reader:
    """`Refused` says why it cannot be used."""
    try:
        return maxminddb.open_database(Path(file), maxminddb.MODE_MMAP)
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as problem:
        raise Refused(
            f"GATEWRIGHT_GEOIP_FILE is {file}: {problem}. Give a country database in MaxMind's format."
        ) from None
