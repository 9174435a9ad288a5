"""The sample backend: standard library only, loopback only, in memory only."""

from __future__ import annotations

import itertools
import json
import re
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

DOCUMENT = (Path(__file__).parent / "openapi.yaml").read_text()
PRODUCTS = {
    "tea-042": ("Assam, 250 g", 12.25),
    "tea-108": ("Sencha, 100 g", 9.8),
    "pot-003": ("Cast-iron pot, 0.8 l", 48.0),
    "cup-017": ("Stoneware cup", 14.5),
}
LARGEST_BODY = 64 * 1024
STATES = ("placed", "packed", "shipped", "delivered")


def _order(number: int, customer: str, lines: list[dict[str, Any]], status: str, placed_at: datetime) -> dict[str, Any]:
    total = sum(PRODUCTS[line["sku"]][1] * line["quantity"] for line in lines)
    return {
        "id": number,
        "customer": customer,
        "lines": lines,
        "status": status,
        "total_eur": round(total, 2),
        "placed_at": placed_at.isoformat(timespec="seconds"),
    }


class Orders:
    """Thread-safe, and it never grows without end."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.numbers = itertools.count(1001)
        self.by_number: dict[int, dict[str, Any]] = {}
        start = datetime.now(UTC) - timedelta(days=3)
        for i, customer in enumerate(["Halden Logistics", "Kvarn ERP", "Dockside", "Fjord Mobile"] * 3):
            sku = list(PRODUCTS)[i % len(PRODUCTS)]
            self.place(customer, [{"sku": sku, "quantity": i % 3 + 1}], STATES[i % 4], start + timedelta(hours=5 * i))

    def place(
        self, customer: str, lines: list[dict[str, Any]], status: str = "placed", at: datetime | None = None
    ) -> dict[str, Any]:
        with self.lock:
            number = next(self.numbers)
            order = _order(number, customer, lines, status, at or datetime.now(UTC))
            self.by_number[number] = order
            if len(self.by_number) > 1000:
                del self.by_number[next(iter(self.by_number))]
            return order


ORDERS = Orders()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "orders"
    wbufsize = -1  # head and body in one packet, else the caller waits 40 ms for the second
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = parse_qs(parts.query)
        if parts.path == "/openapi.yaml":
            here = DOCUMENT.replace("127.0.0.1:8090", f"127.0.0.1:{self.server.server_port}")  # type: ignore[attr-defined]
            return self.answer(200, here.encode(), "application/yaml")
        if parts.path == "/products":
            return self.json([{"sku": k, "name": n, "price_eur": p} for k, (n, p) in PRODUCTS.items()])
        if parts.path == "/orders":
            return self.list_orders(asked)
        if found := re.fullmatch(r"/orders/(\d{1,9})", parts.path):
            order = ORDERS.by_number.get(int(found[1]))
            return self.json(order) if order else self.problem(404, "Not found", f"There is no order {found[1]}.")
        return self.problem(404, "Not found", f"There is nothing at {parts.path}.")

    def list_orders(self, asked: dict[str, list[str]]) -> None:
        limit = asked.get("limit", ["20"])[0]
        if not limit.isdigit() or not 1 <= int(limit) <= 100:
            return self.problem(422, "Unprocessable", "limit must be a number from 1 to 100.")
        orders = sorted(ORDERS.by_number.values(), key=lambda o: -int(o["id"]))
        if "status" in asked:
            orders = [o for o in orders if o["status"] == asked["status"][0]]
        return self.json({"orders": orders[: int(limit)], "next": None})

    def do_POST(self) -> None:
        body = self.body()
        if urlsplit(self.path).path != "/orders":
            return self.problem(404, "Not found", "Orders are placed at /orders.")
        try:
            said = json.loads(body)
            wanted = [(str(line["sku"]), int(line["quantity"])) for line in said["lines"]]
            good = bool(wanted) and all(sku in PRODUCTS and quantity > 0 for sku, quantity in wanted)
            customer = str(said["customer"])[:200]
        except (ValueError, KeyError, TypeError):
            good, customer, wanted = False, "", []
        if not good:
            return self.problem(422, "Unprocessable", "Send a customer, and lines with a known sku and a quantity.")
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in wanted]
        return self.json(ORDERS.place(customer, lines), 201)

    def do_DELETE(self) -> None:
        found = re.fullmatch(r"/orders/(\d{1,9})", urlsplit(self.path).path)
        order = ORDERS.by_number.get(int(found[1])) if found else None
        if order is None:
            return self.problem(404, "Not found", "There is no such order.")
        order["status"] = "cancelled"
        return self.answer(204, b"", "")

    def body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) <= LARGEST_BODY:
            return self.rfile.read(int(length))
        self.close_connection = True
        return b""

    def json(self, value: Any, status: int = 200) -> None:
        self.answer(status, json.dumps(value).encode(), "application/json")

    def problem(self, status: int, title: str, detail: str) -> None:
        said = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        self.answer(status, json.dumps(said).encode(), "application/problem+json")

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the gateway logs every call."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main(port: int) -> None:
    with Server(("127.0.0.1", port), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(0)
