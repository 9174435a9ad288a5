"""Who and what the demo world holds. Everybody in it is made up."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ..accounts.models import Role

TEAMS = ("Freight Core", "Web Shop", "Partners")
SUNSET_IN = timedelta(days=53)
WORDS = [
    "amber",
    "anchor",
    "basil",
    "beacon",
    "birch",
    "bramble",
    "candle",
    "canyon",
    "cedar",
    "cobalt",
    "copper",
    "coral",
    "cricket",
    "delta",
    "ember",
    "falcon",
    "fern",
    "flint",
    "garnet",
    "glacier",
    "harbor",
    "hazel",
    "heron",
    "indigo",
    "ivory",
    "jasper",
    "juniper",
    "kelp",
    "lantern",
    "larch",
    "linen",
    "lupin",
    "maple",
    "marble",
    "meadow",
    "mica",
    "nectar",
    "nutmeg",
    "oak",
    "ochre",
    "onyx",
    "orchid",
    "osprey",
    "pebble",
    "pepper",
    "pine",
    "plover",
    "quartz",
    "quill",
    "raven",
    "reed",
    "river",
    "saffron",
    "sage",
    "sienna",
    "slate",
    "sorrel",
    "spruce",
    "sparrow",
    "tallow",
    "thistle",
    "timber",
    "topaz",
    "tulip",
    "umber",
    "velvet",
    "walnut",
    "willow",
    "wren",
    "yarrow",
    "zinnia",
]


def password() -> str:
    """Four words of eighty: about 25 bits, and a number that makes up for it."""
    return "-".join(secrets.choice(WORDS) for _ in range(4)) + f"-{secrets.randbelow(9000) + 1000}"


@dataclass(frozen=True)
class Someone:
    email: str
    name: str
    role: Role
    teams: tuple[str, ...]


PEOPLE = (
    Someone("maren@demo.example", "Maren Kvist", Role.ADMIN, ("Freight Core",)),
    Someone("tobias@demo.example", "Tobias Lund", Role.ADMIN, ("Web Shop",)),
    Someone("jonas@demo.example", "Jonas Weil", Role.DEVELOPER, ("Web Shop",)),
    Someone("priya@demo.example", "Priya Raman", Role.DEVELOPER, ("Partners",)),
    Someone("ines@demo.example", "Ines Okafor", Role.AUDITOR, ("Freight Core",)),
)


@dataclass(frozen=True)
class SampleApi:
    document: str
    team: str
    path: str
    accepts: list[str]
    backend: str


@dataclass(frozen=True)
class SampleApplication:
    name: str
    description: str
    owner: str
    team: str
    uses: tuple[str, ...]
    wants: tuple[str, ...] = ()
    message: str = "For the shop's checkout."


APPLICATIONS = (
    SampleApplication(
        "Fjord Mobile", "The phone app", "jonas@demo.example", "Web Shop",
        ("Orders 1.0.0", "Orders 2.0.0", "Tracking events 5.2.0", "Shipments 2.4.1"),
    ),
    SampleApplication(
        "Dockside Portal", "Where partners book", "priya@demo.example", "Partners",
        ("Orders 2.0.0", "Shipments 2.4.1", "Shipments 3.0.2", "Tracking events 5.2.0", "Tracking events 4.6.0"),
    ),
    SampleApplication(
        "Kvarn ERP", "Nightly bookkeeping", "priya@demo.example", "Partners",
        ("Shipments 2.4.1", "Orders 1.0.0", "Customs 1.9.0"), ("Rates 4.1.0",),
        "We price returns at night, about 600 calls an hour, for the Rotterdam roll-out.",
    ),
    SampleApplication(
        "Rate bot", "Watches prices", "jonas@demo.example", "Web Shop",
        ("Rates 4.1.0", "Shipments 2.4.1"), ("Shipments 3.0.2",), "To quote with the new arrival window.",
    ),
    SampleApplication(
        "Customs batch", "Declares what crosses a border", "priya@demo.example", "Partners",
        ("Customs 1.9.0", "Shipments 2.4.1", "Tracking events 5.2.0", "Tracking events 4.6.0"),
    ),
)  # fmt: skip


BACKEND = SampleApplication(
    "Orders backend", "What runs behind Orders; it may ask about every token of it", "jonas@demo.example", "Web Shop",
    ("Orders 1.0.0", "Orders 2.0.0"),
)  # fmt: skip


def apis(sample_port: int) -> list[SampleApi]:
    """The sample API in a signed and an encrypted version, and some that only look real."""
    sample = (Path(__file__).parent.parent / "sample" / "openapi.yaml").read_text()
    backend = f"http://127.0.0.1:{sample_port or 8090}"
    real = [
        SampleApi(sample, "Web Shop", "/orders/v1", ["signed", "key"], backend),
        SampleApi(sample.replace("version: 1.0.0", "version: 2.0.0"), "Web Shop", "/orders/v2", ["encrypted"], backend),
    ]
    return real + [
        SampleApi(document_of(title, version, summary), team, path, accepts, backend)
        for title, version, summary, team, path, accepts in LOOKALIKES
    ]


@dataclass(frozen=True)
class Call:
    """One operation of a made-up API, and how often and how well it is called."""

    method: str
    path: str
    summary: str
    share: float = 1.0
    ms: float = 40.0
    failing: float = 0.002


SHIPMENTS = (
    Call("GET", "/shipments", "List shipments", 3, 60),
    Call("POST", "/shipments", "Create a shipment", 1, 120, 0.006),
    Call("GET", "/shipments/{id}", "Get a shipment", 6, 35),
    Call("DELETE", "/shipments/{id}", "Cancel a shipment", 0.1, 80),
)
TRACKING = (Call("GET", "/events", "List events", 5, 25), Call("GET", "/events/{id}", "Get an event", 4, 18))
RATES = (Call("GET", "/rates", "Quote a route", 5, 90, 0.004), Call("GET", "/lanes", "List lanes", 1, 30))
STATUS = (Call("GET", "/", "Is everything up", 1, 8, 0),)
ORDERS = (
    Call("GET", "/orders", "List orders", 4, 30),
    Call("GET", "/orders/{order_id}", "Get one order", 6, 20),
    Call("POST", "/orders", "Place an order", 1.5, 70, 0.004),
    Call("GET", "/products", "List products", 2, 15),
)
DECLARATIONS = (
    Call("POST", "/declarations", "Declare goods", 1, 300, 0.01), Call("GET", "/tariffs", "Find a tariff code", 4, 45),
)  # fmt: skip
RATES_NEXT = (
    *RATES,
    Call("GET", "/surcharges", "List surcharges of a lane"),
    Call("GET", "/quotes/{id}", "Get a quote again"),
)
CARBON = (Call("GET", "/estimates", "Estimate a leg"), Call("GET", "/factors", "List emission factors"))
RETURNS = (Call("GET", "/returns", "List returns"), Call("GET", "/returns/{id}", "Get a return"))
LOOKALIKES = (
    ("Shipments", "2.4.1", "", "Freight Core", "/shipments/v2", ["signed", "key"]),
    ("Shipments", "3.0.2", "", "Freight Core", "/shipments/v3", ["encrypted", "signed"]),
    ("Tracking events", "4.6.0", "", "Freight Core", "/tracking/v4", ["signed"]),
    ("Tracking events", "5.2.0", "", "Freight Core", "/tracking/v5", ["signed"]),
    (
        "Rates", "4.1.0", "Price a route by weight, lane and date. Quotes hold for 15 minutes.",
        "Partners", "/rates/v4", ["key"],
    ),
    (
        "Customs", "1.9.0", "Declarations, tariff codes and clearance state for NO, SE and EU.",
        "Freight Core", "/customs/v1", ["signed"],
    ),
    ("Status page", "1.0.0", "Whether the services are up. Open to anybody.", "Web Shop", "/status/v1", ["open"]),
)  # fmt: skip
CALLS = {
    "Orders": ORDERS,
    "Shipments": SHIPMENTS,
    "Tracking events": TRACKING,
    "Rates": RATES,
    "Customs": DECLARATIONS,
    "Status page": STATUS,
}
FILES = {"Shipments": "shipments.yaml", "Tracking events": "tracking.yaml"}
# how 3.0.2 of Shipments differs from 2.4.1, letter for letter
SHIPMENTS_3 = (
    ("summary: Create, change and follow shipments.", "summary: Create, change and follow shipments. Replaces 2.4."),
    ("[booked, moving, held, cleared, delivered]", "[booked, moving, cleared, delivered]"),
    ("required: [window]", "required: [from, to]"),
    ("required: [to, weight_kg]", "required: [to, weight_kg, incoterm]"),
    (
        'window: {type: string, description: "Start and end, separated by a slash", example: "2026-11-24T08:00Z/10:30Z"}',
        'from: {type: string, format: date-time, example: "2026-11-24T08:00:00Z"}\n'
        '            to: {type: string, format: date-time, example: "2026-11-24T10:30:00Z"}',
    ),
)


def document_of(title: str, version: str, summary: str) -> str:
    """As its team wrote it, or a small one with its operations."""
    if title not in FILES:
        return document(title, version, summary, CALLS[title])
    text = (Path(__file__).parent / "documents" / FILES[title]).read_text()
    if version == "3.0.2":
        for before, after in SHIPMENTS_3:
            text = text.replace(before, after)
    return re.sub(r"(?m)^  version: .*$", f"  version: {version}", text)


def document(title: str, version: str, summary: str, calls: tuple[Call, ...]) -> str:
    """A small OpenAPI document with those operations."""
    lines = [
        "openapi: 3.1.0",
        "info:",
        f"  title: {title}",
        f"  version: {version}",
        f"  summary: {summary!r}",
        "paths:",
    ]
    seen = ""
    for call in calls:
        if call.path != seen:
            lines.append(f"  {call.path}:")
            seen = call.path
            if "{id}" in call.path:
                lines += ["    parameters:", "      - {name: id, in: path, required: true, schema: {type: string}}"]
        lines += [f"    {call.method.lower()}:", f"      summary: {call.summary}"]
        lines += [
            "      responses:",
            '        "200": {description: It worked.}',
            '        "404": {description: There is none.}',
        ]
    return "\n".join(lines) + "\n"
