"""What is only read: the catalog, gateway nodes, the audit trail, the request log."""

from __future__ import annotations

from flask import Response

from ..accounts.models import Permission
from ..apis import queries
from ..applications.models import Application
from ..applications.plans import offered, offered_by
from ..applications.queries import by_client_ids, find_application
from ..audit.queries import Question, entries, find_entry
from ..catalog.search import search as find_words
from ..gateway.queries import all_nodes, find_node
from ..logs import filters, search
from ..logs.naming import named_rows
from ..logs.reading import note_reading
from ..web.access import me
from ..web.forms import asked_moment
from . import shapes
from .answers import after_number, bounded, json, page
from .operations import Asked, operation
from .parameters import PAGED, SEARCH, Parameter

P = Permission
SINCE = Parameter("since", "not before this time (RFC 3339)")
UNTIL = Parameter("until", "before this time (RFC 3339)")
AUDITED = {
    "text": "what the subject or the changes hold",
    "actor": "what the address of who did it holds",
    "action": "such as version.published, or its beginning",
    "kind": "of the subject, such as api_version",
    "address": "the network address it came from, or its beginning",
    "request_id": "of one request",
    "session": "of one browser session or access token",
}
LOGGED = {
    "status": "404, or 4xx",
    "api": "orders@1.0.0, or orders for every version",
    "operation": "such as GET /orders/{id}",
    "application": "its name or client id",
    "node": "its name",
    "method": "such as POST",
    "country": "ISO 3166-1, of the caller",
    "reason": "why the gateway refused",
    "path": "what the path holds",
    "over": "longer than so many ms",
    "backend_over": "the backend took longer than so many ms",
    "request_id": "of one call",
    "trace_id": "W3C Trace Context",
    "jti": "of one token",
    "address": "of the caller",
    "q": "words, somewhere in a record",
}
LOG_QUERY = (
    *(Parameter(name, about, is_many=name in filters.MANY) for name, about in LOGGED.items()),
    Parameter("range", "back from now", choices=tuple(filters.RANGES)),
    SINCE,
    UNTIL,
    *PAGED,
)


@operation("GET", "/catalog", P.READ_CATALOG, tag="Catalog", answer="[CatalogEntry]", query=(SEARCH, *PAGED))
def search_catalog(asked: Asked) -> Response:
    """Search what may be subscribed to, or is still served."""
    found = find_words(asked.query["search"], by=me(), after=asked.query["after"], size=asked.query["limit"])
    versions = queries.names({version_id for version_id, _ in found.ids})
    plans = offered_by(set(versions))
    items = [shapes.of_catalog(versions[n], plans[n]) for n, _ in found.ids if n in versions]
    return bounded(items, found.more or None)


@operation("GET", "/catalog/<slug>/<number>", P.READ_CATALOG, tag="Catalog", answer="CatalogEntry")
def show_in_catalog(asked: Asked, slug: str, number: str) -> Response:
    """Read one version as the catalog shows it."""
    version = queries.find_in_catalog(slug, number, by=me())
    return json(shapes.of_catalog(version, offered(version.id)))


@operation("GET", "/catalog/<slug>/<number>/document", P.READ_CATALOG, tag="Catalog", answer="text")
def show_catalog_document(asked: Asked, slug: str, number: str) -> Response:
    """Read the OpenAPI document that is served."""
    source = queries.find_in_catalog(slug, number, by=me()).source
    kind = "application/json" if source.lstrip().startswith("{") else "application/yaml"
    return Response(source, mimetype=kind)


@operation("GET", "/nodes", P.READ_NODES, tag="Nodes", answer="[Node]")
def list_nodes(asked: Asked) -> Response:
    """List gateway nodes: all of them, there are 200 at most."""
    return bounded(shapes.of_node(node) for node in all_nodes())


@operation("GET", "/nodes/<int:node_id>", P.READ_NODES, tag="Nodes", answer="Node")
def show_node(asked: Asked, node_id: int) -> Response:
    """Read one gateway node."""
    return json(shapes.of_node(find_node(node_id)))


@operation(
    "GET", "/audit-entries", P.READ_AUDIT, tag="Audit trail", answer="[AuditEntry]",
    query=(*(Parameter(name, about) for name, about in AUDITED.items()), SINCE, UNTIL, *PAGED),
)  # fmt: skip
def list_audit_entries(asked: Asked) -> Response:
    """Search the audit trail, newest first."""
    said = {name: asked.query[name][:100] for name in AUDITED}
    question = Question(**said, since=asked_moment("since"), until=asked_moment("until"))
    found = entries(question, before=after_number(asked), size=asked.query["limit"])
    return page(asked, found, shapes.of_entry, lambda entry: entry.id)


@operation("GET", "/audit-entries/<int:entry_id>", P.READ_AUDIT, tag="Audit trail", answer="AuditEntry")
def show_audit_entry(asked: Asked, entry_id: int) -> Response:
    """Read one entry of the audit trail."""
    return json(shapes.of_entry(find_entry(entry_id)))


@operation("GET", "/log-records", P.READ_LOGS, tag="Request log", answer="[LogRecord]", query=LOG_QUERY)
def search_logs(asked: Asked) -> Response:
    """Search the request log, newest first. It looks for a second at most; when that was not enough there is a next page,
    although this one has fewer records than `limit`. That you read the calls of other teams is in the audit trail."""
    return _records(asked, None)


@operation(
    "GET", "/applications/<int:application_id>/log-records", P.READ_APPLICATIONS, tag="Request log",
    answer="[LogRecord]", query=LOG_QUERY,
)  # fmt: skip
def search_logs_of(asked: Asked, application_id: int) -> Response:
    """Search the calls of one application, newest first."""
    return _records(asked, find_application(application_id, by=me()))


def _records(asked: Asked, only: Application | None) -> Response:
    question = filters.question_of(filters.read(), only)
    found = search.look(question, before=after_number(asked), size=asked.query["limit"])
    named = named_rows(found.rows)
    answer = bounded([shapes.of_record(one) for one in named], str(found.older) if found.older else None)
    applications = by_client_ids({row.client_id for row in found.rows} - {""})
    versions = queries.names({row.version_id for row in found.rows if row.client_id not in applications} - {0})
    whose = (applications.get(row.client_id) or versions.get(row.version_id) for row in found.rows)
    for read in dict.fromkeys(whose):
        note_reading(read, me(), {"filters": filters.read().parameters})
    return answer
