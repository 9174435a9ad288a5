"""What gateways and shippers send, as each of them writes it; and how it is sent."""

from __future__ import annotations

import time
from typing import Any

import orjson
from flask import Flask
from sqlalchemy import select

from console.logs.segments import tables
from console.logs.store import batch, rejected

Values = dict[str, Any]
SECRETS = ("s3cr3t-apikey", "s3cr3t-cookie", "s3cr3t-bearer", "s3cr3t-query", "s3cr3t-basic", "s3cr3t-body")
QUERY = "page=2&api_key=s3cr3t-query&access_token=s3cr3t-query"
HEADERS = {
    "host": "api.example.org", "user-agent": "curl/8.5.0", "accept": "*/*", "apikey": "s3cr3t-apikey",
    "x-api-key": "s3cr3t-apikey", "cookie": "session=s3cr3t-cookie", "authorization": "Bearer s3cr3t-bearer",
    "proxy-authorization": "Basic s3cr3t-basic",
}  # fmt: skip


def ms() -> int:
    return time.time_ns() // 1_000_000


def send(app: Flask, node: str, path: str, body: Any, **headers: str) -> Any:
    """As the sender would; anything but bytes or text as JSON."""
    data = body if isinstance(body, bytes | str) else orjson.dumps(body)
    said = {"Authorization": f"Bearer {node}", "Content-Type": "application/json"}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().post(path, data=data, headers=said)


def stored(app: Flask) -> list[Any]:
    """Every record, oldest first, whichever day's table it is in."""
    with app.extensions["gatewright"].logs.engine.connect() as connection:
        days = reversed(tables(connection))
        return [row for day in days for row in connection.execute(select(day).order_by(day.c.id))]


def letters(app: Flask) -> list[Any]:
    return _all(app, select(rejected).order_by(rejected.c.id))


def batches(app: Flask) -> list[Any]:
    return _all(app, select(batch))


def _all(app: Flask, query: Any) -> list[Any]:
    with app.extensions["gatewright"].logs.engine.connect() as connection:
        return list(connection.execute(query))


def kong(uri: str = f"/orders/v1/orders?{QUERY}", **values: Any) -> Values:
    """Kong 3.9's `kong.log.serialize()`, as `http-log` posts it."""
    return {
        "response": {
            "size": 9982, "status": 200,
            "headers": {"content-type": "application/json", "set-cookie": ["a=s3cr3t-cookie", "b=s3cr3t-cookie"],
                        "via": "1.1 kong/3.9.1", "x-kong-upstream-latency": "171", "x-kong-proxy-latency": "1"},
        },
        "source": "upstream",
        "request": {
            "querystring": {"page": "2", "api_key": "s3cr3t-query"}, "size": 138, "uri": uri,
            "url": f"http://api.example.org:8000{uri}", "headers": HEADERS, "method": "GET",
            "id": "6e8f6b1a3f9d4c1b8a7e5d2c4b3a2f1e", "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"},
        },
        "tries": [{"balancer_start": ms(), "balancer_start_ns": ms() * 1e6, "balancer_latency": 0,
                   "balancer_latency_ns": 33280, "port": 80, "ip": "10.0.0.5", "keepalive": True}],
        "latencies": {"kong": 1, "proxy": 171, "request": 173, "receive": 1},
        "client_ip": "203.0.113.7", "consumer": {"id": "9a8b", "username": "shop", "custom_id": "app-0123456789abcdef"},
        "authenticated_entity": {"id": "f1e2"}, "route": {"id": "r1", "name": "orders", "paths": ["/orders/v1"]},
        "service": {"id": "s1", "host": "orders.internal", "name": "orders"}, "upstream_uri": "/orders?x=1",
        "upstream_status": "200", "started_at": ms(), "workspace": "w1", "workspace_name": "default",
    } | values  # fmt: skip


def apisix(uri: str = f"/orders/v1/orders?{QUERY}", **values: Any) -> Values:
    """APISIX 3's full log (`log-util.lua`), as `http-logger` posts it."""
    return {
        "request": {"url": f"http://api.example.org:9080{uri}", "uri": uri, "method": "POST", "headers": HEADERS,
                    "querystring": {"page": "2", "api_key": "s3cr3t-query"}, "size": 85, "body": "pin=s3cr3t-body"},
        "response": {"status": 503, "size": 118, "headers": {"server": "APISIX/3.11.0", "set-cookie": "s3cr3t-cookie"}},
        "server": {"hostname": "gw-2", "version": "3.11.0"}, "upstream": "10.0.0.5:1980", "service_id": "",
        "route_id": "1", "consumer": {"username": "shop"}, "client_ip": "203.0.113.8", "start_time": ms() + 0.25,
        "latency": 103.00016403198, "upstream_latency": 101, "apisix_latency": 2.0001640319824,
    } | values  # fmt: skip


def tyk(path: str = "/orders/v1/orders", **values: Any) -> Values:
    """Tyk Pump's Splunk pump: an analytics record in an event."""
    moment = ms() / 1000
    written = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1e9):09d}Z"
    event = {
        "method": "GET", "path": path, "raw_path": path, "response_code": 404, "api_key": "s3cr3t-apikey",
        "time_stamp": written, "api_version": "Non Versioned", "api_name": "Orders", "api_id": "b84f", "org_id": "5e9d",
        "oauth_id": "", "raw_request": "R0VUIC8gczNjcjN0LWJlYXJlcg==", "request_time": 12, "raw_response": "SFRUUC8=",
        "ip_address": "203.0.113.9", "user_agent": "Go-http-client/1.1", "alias": "shop", "content_length": 0,
        "latency": {"total": 12, "upstream": 11},
    }  # fmt: skip
    return {"time": int(moment), "event": event | values}


def caddy(uri: str = f"/orders/v1/orders?{QUERY}", **values: Any) -> Values:
    """Caddy 2's JSON access log."""
    headers = {name.title(): [value] for name, value in HEADERS.items()}
    return {
        "level": "info", "ts": time.time(), "logger": "http.log.access", "msg": "handled request",
        "request": {"remote_ip": "203.0.113.10", "remote_port": "41342", "client_ip": "203.0.113.11",
                    "proto": "HTTP/2.0", "method": "GET", "host": "api.example.org", "uri": uri, "headers": headers},
        "bytes_read": 3, "user_id": "", "duration": 0.000929675, "size": 10900, "status": 200,
        "resp_headers": {"Server": ["Caddy"], "Set-Cookie": ["s3cr3t-cookie"]},
    } | values  # fmt: skip


def nginx(uri: str = f"/orders/v1/orders?{QUERY}", **values: Any) -> Values:
    """nginx with `log_format … escape=json` and the names of its own variables: all of them are strings."""
    return {
        "time_iso8601": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()), "remote_addr": "203.0.113.12",
        "request": f"GET {uri} HTTP/1.1", "status": "200", "request_time": "0.012",
        "upstream_response_time": "0.004, 0.010", "request_length": "512", "bytes_sent": "1024",
        "http_user_agent": "curl/8.5.0", "request_id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "http_authorization": "Bearer s3cr3t-bearer", "http_cookie": "sid=s3cr3t-cookie",
    } | values  # fmt: skip


def envoy(**values: Any) -> Values:
    """Envoy's usual JSON access log on standard output, as Istio has it."""
    return {
        "start_time": time.strftime("%Y-%m-%dT%H:%M:%S.123Z", time.gmtime()), "method": "GET", "protocol": "HTTP/1.1",
        "path": f"/orders/v1/orders?{QUERY}", "response_code": 200, "response_flags": "-", "bytes_received": 5,
        "bytes_sent": 7, "duration": 12, "upstream_service_time": "9", "user_agent": "curl/8.5.0",
        "request_id": "d7c2", "response_code_details": "via_upstream", "downstream_remote_address": "203.0.113.13:55",
    } | values  # fmt: skip
