"""A client of the REST API that holds every answer against the OpenAPI document."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
from flask import Flask
from werkzeug.test import TestResponse

from console.accounts.access_token_models import Scope
from console.accounts.access_tokens import create_access_token, scopes_of
from console.accounts.models import Person
from console.db import db, unit_of_work

ROOT = "/api/v1"


def make_token(app: Flask, person_id: int, *scopes: Scope, name: str = "test", days: int = 30) -> str:
    """Of this person; without scopes named, of all that her role allows."""
    with app.app_context(), unit_of_work():
        person = db.session.get_one(Person, person_id)
        return create_access_token(name, scopes or scopes_of(person), days=days, by=person)[1]


class Rest:
    """``seen``: every operation and status that was answered."""

    def __init__(self, app: Flask, token: str = "") -> None:
        self.app, self.token = app, token
        self.client = app.test_client(use_cookies=False)
        self.document = self.client.get(f"{ROOT}/openapi.json").get_json()
        self.seen: set[tuple[str, int]] = set()

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """``body``: JSON, or the text of a document. Names of headers are written with _."""
        said: dict[str, Any] = {"headers": {k.replace("_", "-"): v for k, v in headers.items()}}
        if self.token:
            said["headers"].setdefault("Authorization", f"Bearer {self.token}")
        if isinstance(body, str):
            said |= {"data": body.encode(), "content_type": said["headers"].pop("Content-Type", "application/yaml")}
        elif body is not None:
            said["json"] = body
        answer = self.client.open(path if path.startswith(ROOT) else ROOT + path, method=method, **said)
        self.check(method, answer)
        return answer

    def get(self, path: str, **headers: str) -> TestResponse:
        return self("GET", path, **headers)

    def changed(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """With the ETag of the version that the path begins with."""
        version = re.match(r"/apis/[^/]+/versions/[^/]+", path)
        assert version
        return self(method, path, body, If_Match=self.get(version[0]).headers["ETag"], **headers)

    def check(self, method: str, answer: TestResponse) -> None:
        """That it is what the document says of this operation and this status."""
        found = self._operation(method, answer.request.path)
        if found is None:
            assert answer.status_code in (404, 405), (method, answer.request.path, answer.text)
            assert answer.mimetype == "application/problem+json"
            return
        assert str(answer.status_code) in found["responses"], (found["operationId"], answer.status_code, answer.text)
        self.seen.add((found["operationId"], answer.status_code))
        said = self._follow(found["responses"][str(answer.status_code)])
        for name in said.get("headers", {}):
            assert name in answer.headers or name in ("Link", "WWW-Authenticate"), (found["operationId"], name)
        content = said.get("content")
        if content is None:
            assert answer.data == b""
            return
        assert answer.mimetype in content, (found["operationId"], answer.mimetype)
        if answer.mimetype.endswith("json") and answer.get_json(silent=True) is not None:
            self._fits(content[answer.mimetype]["schema"], answer.get_json())

    def _fits(self, schema: dict[str, Any], value: Any) -> None:
        whole = schema | {"components": self.document["components"]}
        errors = list(jsonschema_rs.Draft202012Validator(whole, validate_formats=True).iter_errors(value))
        assert not errors, [(list(error.instance_path), error.message) for error in errors]

    def _follow(self, said: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in said:
            return said
        name = said["$ref"].rsplit("/", 1)[1]
        found: dict[str, Any] = self.document["components"]["responses"][name]
        return found

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        for template, item in self.document["paths"].items():
            pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(ROOT + template))
            if re.fullmatch(pattern, path) and method.lower() in item:
                found: dict[str, Any] = item[method.lower()]
                return found
        return None
