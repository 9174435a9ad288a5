"""What limits a client secret or an API key beside being right: time, place; and when it was last used."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta

import structlog
from sqlalchemy import update

from ..db import db, now, unit_of_work
from ..errors import Refused
from ..runtime import needs_database, runtime
from .models import ApiKey, ClientCertificate, ClientSecret

USED_EVERY = timedelta(hours=1)
MOST_NETWORKS = 20
log = structlog.get_logger("credentials")


def parse_networks(text: str) -> list[str]:
    """``10.0.0.0/8, 192.0.2.7`` as CIDR, one per network; `Refused` names the one that is none."""
    found = []
    for word in text.replace(",", " ").split():
        try:
            found.append(str(ipaddress.ip_network(word)))
        except ValueError:
            raise Refused(f"{word} is no network. Write it as 192.0.2.0/24, or one address.", "networks") from None
    if len(found) > MOST_NETWORKS:
        raise Refused(f"At most {MOST_NETWORKS} networks.", "networks")
    return list(dict.fromkeys(found))


def is_within(address: str, networks: tuple[str, ...]) -> bool:
    """Whether a call from there is allowed; no networks: from anywhere."""
    if not networks:
        return True
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    return any(ip in ipaddress.ip_network(network) for network in networks)


def note_use(table: type[ApiKey | ClientSecret | ClientCertificate], row_id: int, used_at: datetime | None) -> None:
    """To the hour, and never in the way of an answer."""
    place = (table.__tablename__, row_id)
    noted = runtime().memory.get(place) or used_at
    moment = now()
    if noted is not None and moment - noted < USED_EVERY:
        return
    needs_database()
    runtime().memory[place] = moment
    try:
        with unit_of_work():
            db.session.execute(update(table).where(table.id == row_id).values(used_at=moment))
    except Exception as problem:  # a busy database must not refuse a good credential
        log.warning("credentials.use_not_noted", error=type(problem).__name__)
