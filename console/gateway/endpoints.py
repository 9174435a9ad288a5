"""What gateway nodes call: enrolment, their bundle, their reports, and questions about credentials."""

from __future__ import annotations

import re
import time
from typing import Any

import orjson

from ..db import db, unit_of_work
from ..errors import Refused
from ..runtime import generation, runtime
from ..tokens.dpop import ALGORITHMS, InvalidProof
from ..tokens.verify import InvalidToken
from ..web.machine import Answer, Asked, Route, json_answer, problem_answer
from ..web.metrics import DECISIONS
from .actions import enrol_with_code, note_seen, report
from .bundle import bundle, digest
from .decisions import CredentialRefused, Decision, check_bound, exchange_certificate, exchange_key, unwrap
from .models import Node
from .queries import node_by_credential

HOLD_S = 20.0
LOOK_EVERY_S = 0.1


class UnknownNode(Refused):
    status = 401


def asking_node(asked: Asked) -> int:
    """The number of the serving node that asks; nobody else may, nor one that only pushes logs."""
    return _known(node_by_credential(asked.bearer, serving=True))


def pushing_node(asked: Asked, scheme: str = "") -> int:
    """Of any node. ``scheme`` is taken for its credential beside Bearer."""
    return _known(node_by_credential(asked.bearer or (asked.credential(scheme) if scheme else "")))


def _known(node_id: int | None) -> int:
    if node_id is None:
        raise UnknownNode("The node credential is wrong or was removed. Enrol this node again.")
    return node_id


def enrol(asked: Asked) -> Answer:
    """``{"code", "software", "serves"}``; a gateway of another kind, or a shipper, serves no API and pushes logs only."""
    said = _json(asked)
    with unit_of_work():
        serves = said.get("serves") is not False
        node, credential = enrol_with_code(str(said.get("code", "")), str(said.get("software", "")), serves)
        return json_answer({"name": node.name, "credential": credential}, 200)


def get_bundle(asked: Asked) -> Answer:
    """The bundle, as soon as its generation is another than ``since``; 304 after a while of nothing new."""
    node_id = asking_node(asked)
    since, wait = _number(asked, "since", -1), _number(asked, "wait", 0)
    _seen(node_id)
    deadline = time.monotonic() + min(wait, HOLD_S)
    while generation() == since and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
        if node_by_credential(asked.bearer, serving=True) is None:
            raise UnknownNode("The node credential was removed.")
    if generation() == since:
        return Answer(304)
    document = bundle()
    return Answer(200, document, [("Content-Type", "application/json"), ("ETag", f'"{digest(document)}"')])


def _seen(node_id: int) -> None:
    with unit_of_work():
        note_seen(db.session.get_one(Node, node_id))


def post_report(asked: Asked) -> Answer:
    """``{"generation", "accepted", "error", "software"}``."""
    node_id = asking_node(asked)
    said = _json(asked)
    with unit_of_work():
        report(
            db.session.get_one(Node, node_id),
            generation=_generation(said),
            accepted=bool(said.get("accepted")),
            error=str(said.get("error", "")),
            software=str(said.get("software", "")),
        )
    return json_answer({})


def post_unwrap(asked: Asked) -> Answer:
    if node_by_credential(asked.bearer, serving=True) is None:
        return _wrong_node()
    text, audience = asked.body().decode("ascii", "replace"), asked.header("X-Gatewright-Audience")
    try:
        return _decided("jwe", unwrap(text, audience))
    except InvalidToken as invalid:
        return _refused("jwe", 401, "invalid_token", "The access token is not good", invalid.reason)
    except CredentialRefused as refused:
        return _refused("jwe", refused.status, refused.reason, refused.title, refused.message)


def post_bound(asked: Asked) -> Answer:
    """A DPoP-bound token and the proof for one call (RFC 9449 section 7.1)."""
    if node_by_credential(asked.bearer, serving=True) is None:
        return _wrong_node()
    token, audience = asked.body().decode("ascii", "replace"), asked.header("X-Gatewright-Audience")
    url = runtime().config.gateway_url + asked.header("X-Gatewright-Path").partition("?")[0]
    proof, method = asked.header("X-Gatewright-Proof"), asked.header("X-Gatewright-Method")
    try:
        return _decided("dpop", check_bound(token, proof, method, url, audience))
    except InvalidProof as invalid:
        return _refused("dpop", 401, "invalid_dpop_proof", "The DPoP proof is not good", invalid.message)
    except InvalidToken as invalid:
        return _refused("dpop", 401, "invalid_token", "The access token is not good", invalid.reason)
    except CredentialRefused as refused:
        return _refused("dpop", refused.status, refused.reason, refused.title, refused.message)


def post_key(asked: Asked) -> Answer:
    if node_by_credential(asked.bearer, serving=True) is None:
        return _wrong_node()
    text, audience = asked.body().decode("ascii", "replace"), asked.header("X-Gatewright-Audience")
    try:
        return _decided("key", exchange_key(text, audience, asked.header("X-Gatewright-Address")))
    except CredentialRefused as refused:
        return _refused("key", refused.status, refused.reason, refused.title, refused.message)


def post_certificate(asked: Asked) -> Answer:
    if node_by_credential(asked.bearer, serving=True) is None:
        return _wrong_node()
    digest, audience = asked.body().decode("ascii", "replace"), asked.header("X-Gatewright-Audience")
    try:
        return _decided("cert", exchange_certificate(digest, audience))
    except CredentialRefused as refused:
        return _refused("cert", refused.status, refused.reason, refused.title, refused.message)


def _wrong_node() -> Answer:
    # not 401: the gateway would hand that on to the caller, whose credential may be perfectly good
    return problem_answer(503, "Service Unavailable", "This gateway node is not enrolled here any more.")


def _decided(kind: str, decision: Decision) -> Answer:
    DECISIONS.labels(kind, "good").inc()
    headers = [("Authorization", f"Bearer {decision.signed}"), ("X-Ttl", str(decision.ttl_s))]
    if decision.keeps:
        headers.append(("X-Keeps", "1"))
    if decision.is_for_address:
        headers.append(("X-For-Address", "1"))
    return Answer(200, b"", headers)


def _refused(kind: str, status: int, reason: str, title: str, detail: str) -> Answer:
    DECISIONS.labels(kind, reason).inc()
    headers = [("X-Gatewright-Reason", reason)]
    if status == 401:
        headers.append(("WWW-Authenticate", _challenge(kind, reason, detail)))
    return problem_answer(status, title, detail, *headers)


def _challenge(kind: str, reason: str, detail: str) -> str:
    """RFC 6750 section 3, RFC 9449 section 7.1."""
    detail = re.sub(r'["\\]', "'", detail)  # it may hold the path that the caller chose
    if kind == "dpop":
        error = "invalid_dpop_proof" if reason == "invalid_dpop_proof" else "invalid_token"
        return f'DPoP error="{error}", error_description="{detail}", algs="{" ".join(ALGORITHMS)}"'
    return f'Bearer error="invalid_token", error_description="{detail}"'


def _json(asked: Asked) -> dict[str, Any]:
    try:
        value = orjson.loads(asked.body())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadRequest("Send a JSON object.")
    return value


def _number(asked: Asked, name: str, missing: int) -> int:
    text = asked.query.get(name, "")
    if text and not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise BadRequest(f"{name} must be a whole number.")
    return int(text) if text else missing


def _generation(said: dict[str, Any]) -> int:
    value = said.get("generation")
    if not isinstance(value, int) or not 0 <= value < 2**31:
        raise BadRequest("generation must be a whole number.")
    return value


class BadRequest(Refused):
    status = 400


ROUTES = [
    Route("POST", "/gateway/enrol", "node", enrol),
    Route("GET", "/gateway/bundle", "node", get_bundle),
    Route("POST", "/gateway/report", "node", post_report),
    Route("POST", "/gateway/unwrap", "node", post_unwrap),  # not from memory: it looks for news first
    Route("POST", "/gateway/key", "node", post_key, memory=True),
    Route("POST", "/gateway/certificate", "node", post_certificate, memory=True),
    Route("POST", "/gateway/bound", "node", post_bound),
]
