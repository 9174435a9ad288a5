"""Small OpenAPI documents for the tests of the comparison, and their parts."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
OK: Json = {"200": {"description": "OK"}}


def document(*operations: Json, path: str = "/pets", openapi: str = "3.1.0", **top: Any) -> Json:
    """One path with `get`, and `post` if a second operation is given."""
    item = {
        method: {"responses": OK} | operation for method, operation in zip(("get", "post"), operations, strict=False)
    }
    return {"openapi": openapi, "info": {"title": "Pets", "version": "1"}, "paths": {path: item}} | top


def operation(**parts: Any) -> Json:
    return document(parts)


def parameter(schema: Any = None, where: str = "query", name: str = "limit", **more: Any) -> Json:
    one = {"name": name, "in": where} | ({} if schema is None else {"schema": schema}) | more
    path = f"/pets/{{{name}}}" if where == "path" else "/pets"
    if where == "path":
        one["required"] = True
    return document({"parameters": [one]}, path=path)


def request(schema: Any, **more: Any) -> Json:
    return operation(requestBody={"content": {"application/json": {"schema": schema}}} | more)


def response(schema: Any, status: str = "200", **more: Any) -> Json:
    answer = {"description": "OK", "content": {"application/json": {"schema": schema}}} | more
    return operation(responses={status: answer})


def header(schema: Any, **more: Any) -> Json:
    return operation(responses={"200": {"description": "OK", "headers": {"X-Total": {"schema": schema} | more}}})


def thing(schema: Any) -> Json:
    return {"type": "object", "properties": {"it": schema}}


PLACES = {
    "request-parameter": parameter,
    "request-body": request,
    "request-property": lambda schema: request(thing(schema)),
    "response-body": response,
    "response-property": lambda schema: response(thing(schema)),
    "response-header": header,
}
