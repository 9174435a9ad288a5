"""chDB's engine behind what ClickHouse speaks over HTTP, as far as clickhouse-connect asks for it.

No server of today can be had from the package registries; this one lets processes of their own write to one engine.
``python -m tests.clickhouse_http DIRECTORY PORT``
"""

from __future__ import annotations

import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import clickhouse_connect
import lz4.frame
from clickhouse_connect.driver.exceptions import DatabaseError

NO_SETTINGS = {
    "database",
    "query",
    "session_id",
    "query_id",
    "wait_end_of_query",
    "compress",
    "client_protocol_version",
}
INSERT = re.compile(rb"INSERT INTO (\S+) \(([^)]*)\) FORMAT Native\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    path_on_disk = ""
    mine = threading.local()

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        said = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        body = self._body() or said.get("query", "").encode()
        client = self._client(said.get("database", "default"))
        try:
            answer = self._answer(client, body, {k: v for k, v in said.items() if k not in NO_SETTINGS})
            self._send(200, answer, {})
        except DatabaseError as problem:
            self._send(500, str(problem).encode(), {"X-ClickHouse-Exception-Code": str(problem.code)})

    def _answer(self, client: Any, body: bytes, settings: dict[str, str]) -> bytes:
        if found := INSERT.match(body):
            table, columns = found[1].decode(), found[2].decode().replace("`", "").split(", ")
            client.raw_insert(table, columns, body[found.end() :], settings=settings, fmt="Native")
            return b""
        query = body.decode()
        if not re.match(r"\s*(SELECT|SHOW|EXISTS|WITH|EXPLAIN|DESCRIBE)\b", query, re.IGNORECASE):
            client.command(query)
            return b""
        plain, _, form = query.rpartition("FORMAT ")
        return bytes(client.raw_query(plain or form, settings=settings, fmt=form.strip() if plain else "TabSeparated"))

    def _client(self, database: str) -> Any:
        if not hasattr(self.mine, "client"):  # a thread is a connection
            self.mine.client = clickhouse_connect.get_client(interface="chdb", path=self.path_on_disk)
        self.mine.client.database = database
        return self.mine.client

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return lz4.frame.decompress(body) if self.headers.get("Content-Encoding") == "lz4" else body

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "X-ClickHouse-Timezone": "UTC", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main(directory: str, port: int) -> None:
    Handler.path_on_disk = directory
    engine = clickhouse_connect.get_client(interface="chdb", path=directory)  # it ends with its last connection
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.serve_forever()
    engine.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
