"""The editor and the forms of a draft's document: one text, changed in place, saved once, refused with nothing lost."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from console.apis.design import blank_document, what_changed
from console.apis.models import ApiVersion
from console.apis.openapi import parse
from console.audit.models import AuditEntry
from console.db import db
from tests.conftest import ORDERS, SignIn, at_once, trail

PAGE = "/apis/orders/1.0.0"
COMMENTED = ORDERS.replace("servers:\n", "# where it runs\nservers:\n").replace(
    "      summary: List orders\n", "      summary: List orders  # short\n      # the cursor is opaque\n"
)


@pytest.fixture
def alice(sign_in: SignIn) -> FlaskClient:
    browser = sign_in("alice")
    pasted = {"source": "paste", "team": "1", "document": COMMENTED}
    assert browser.post("/apis/new", data=pasted).location == PAGE
    return browser


def edits_of(page: str) -> str:
    return re.search(r'name="edits" value="(\d+)"', page).group(1)  # type: ignore[union-attr]


def source(app: Flask) -> str:
    with app.app_context():
        return db.session.scalars(select(ApiVersion.source)).one()


def fields(page: str) -> dict[str, Any]:
    """What a browser would send of the form on the page."""
    form = page[page.index('class="panel" method="post"') :].split("</form>")[0]
    out: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and ("checkbox" not in tag or " checked" in tag):
            out[name[1]] = unescape(value[1]) if value else ""
    for name, inner in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', inner) or re.search(r'value="([^"]*)"', inner)
        out[name] = chosen[1] if chosen else ""
    for name, inner in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL):
        out[name] = unescape(inner).replace("\n", "\r\n")
    return out


def unescape(text: str) -> str:
    for code, char in (("&#34;", '"'), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(code, char)
    return text


def sent(browser: FlaskClient, url: str, **values: Any) -> Any:
    """The form of that page, with some fields filled in otherwise."""
    return browser.post(url, data=fields(browser.get(url).text) | values)


class TestText:
    def test_is_kept_letter_for_letter(self, app: Flask, alice: FlaskClient) -> None:
        page = alice.get(f"{PAGE}/edit").text
        wanted = COMMENTED.replace("title: Orders", "title: Orders  # still")
        answer = alice.post(f"{PAGE}/edit", data={"text": wanted.replace("\n", "\r\n"), "edits": edits_of(page)})
        assert answer.status_code == 302
        assert source(app) == wanted
        assert trail(app)[-1] == "version.edited"

    def test_that_is_no_document_comes_back_with_its_problems(self, app: Flask, alice: FlaskClient) -> None:
        page, before = alice.get(f"{PAGE}/edit").text, source(app)
        broken = COMMENTED.replace("paths:\n", "paths: [\n")
        answer = alice.post(f"{PAGE}/edit", data={"text": broken, "edits": edits_of(page)})
        assert answer.status_code == 422
        assert "paths: [" in answer.text
        assert re.search(r'data-line="\d+"', answer.text)
        assert source(app) == before

    def test_of_another_version_is_refused(self, alice: FlaskClient) -> None:
        page = alice.get(f"{PAGE}/edit").text
        other = COMMENTED.replace("version: 1.0.0", "version: 1.1.0")
        answer = alice.post(f"{PAGE}/edit", data={"text": other, "edits": edits_of(page)})
        assert answer.status_code == 422
        assert "This is version 1.0.0" in answer.text

    def test_the_second_of_two_who_save_looks_again(self, app: Flask, alice: FlaskClient, sign_in: SignIn) -> None:
        page, other = alice.get(f"{PAGE}/edit").text, sign_in("alice")
        texts = [COMMENTED + "# one\n", COMMENTED + "# two\n"]
        data = [{"text": text, "edits": edits_of(page)} for text in texts]
        answers = at_once(
            *(lambda b=b, d=d: b.post(f"{PAGE}/edit", data=d) for b, d in zip((alice, other), data, strict=True))
        )
        assert sorted(a.status_code for a in answers) == [302, 422]
        assert source(app) in texts

    def test_is_checked_as_you_type(self, alice: FlaskClient) -> None:
        broken = COMMENTED.replace("      summary: List orders", "      summary: List: orders")
        line = broken[: broken.index("List: orders")].count("\n") + 1
        answer = alice.post(f"{PAGE}/check", data={"text": broken}, headers={"Accept": "application/json"}).json
        assert [p["line"] for p in answer["problems"]] == [line]
        assert {"Orders", "Paths", "schemas"} <= {e["name"] for e in answer["outline"]}

    def test_a_problem_of_the_document_stands_at_its_line(self, alice: FlaskClient) -> None:
        broken = COMMENTED.replace("- name: order_id", "- name: id", 1)
        answer = alice.post(f"{PAGE}/check", data={"text": broken}, headers={"Accept": "application/json"}).json
        lines = [broken.splitlines()[p["line"] - 1].strip() for p in answer["problems"]]
        assert "get:" in lines
        parts = {e["name"]: e["inside"] for e in answer["outline"]}
        assert {o["name"] for path in parts["Paths"] for o in path["inside"]} >= {"GET", "POST"}
        assert "Order" in {schema["name"] for schema in parts["schemas"]}

    def test_only_who_manages_apis_may(self, alice: FlaskClient, sign_in: SignIn) -> None:
        bob = sign_in("bob")
        for url in (f"{PAGE}/edit", f"{PAGE}/design", f"{PAGE}/design/servers", f"{PAGE}/design/operations"):
            assert bob.get(url).status_code == 403
        assert bob.post(f"{PAGE}/check", data={"text": "x"}).status_code == 403


class TestForm:
    def test_sent_as_it_is_changes_nothing(self, app: Flask, alice: FlaskClient) -> None:
        document, before = parse(COMMENTED), source(app)
        urls = ["design", "design/servers", "design/tags", "design/schemas?name=Order"]
        urls += [
            f"design/operations?method={method}&path={path}"
            for path, item in document["paths"].items()
            for method in item
            if method != "parameters"
        ]
        urls += [f"design/schemas?name={name}" for name in document["components"]["schemas"]]
        for url in urls:
            assert sent(alice, f"{PAGE}/{url}").status_code == 302, url
            assert source(app) == before, url

    def test_of_the_title_changes_one_line(self, app: Flask, alice: FlaskClient) -> None:
        assert sent(alice, f"{PAGE}/design", title="Orders & more").status_code == 302
        assert changed(source(app)) == (["  title: Orders"], ["  title: Orders & more"])

    def test_adds_what_was_not_there(self, app: Flask, alice: FlaskClient) -> None:
        values = {"items-1-at": "", "items-1-url": "https://orders.example.org", "items-1-description": "Live"}
        assert sent(alice, f"{PAGE}/design/servers", **values).status_code == 302
        added = ["  - url: https://orders.example.org", "    description: Live"]
        assert changed(source(app)) == ([], added)

    def test_adds_an_operation(self, app: Flask, alice: FlaskClient) -> None:
        url = f"{PAGE}/design/operations"
        values = {
            "method": "get",
            "path": "/orders/{order_id}/notes/{note}",
            "summary": "Read a note",
            "operation_id": "getNote",
        }
        values |= {"parameters-0-name": "lang", "parameters-0-type": "string[]", "responses-0-schema": "Order[]"}
        assert sent(alice, url, **values).status_code == 302
        removed, added = changed(source(app))
        assert removed == []
        assert "  /orders/{order_id}/notes/{note}:" in added
        part = parse(source(app))["paths"]["/orders/{order_id}/notes/{note}"]["get"]
        assert [(p["name"], p["in"], p.get("required")) for p in part["parameters"]] == [
            ("lang", "query", None), ("order_id", "path", True), ("note", "path", True),
        ]  # fmt: skip
        schema = part["responses"]["200"]["content"]["application/json"]["schema"]
        assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}

    def test_changes_an_operation_and_keeps_its_comments(self, app: Flask, alice: FlaskClient) -> None:
        url = f"{PAGE}/design/operations?method=get&path=/orders"
        assert sent(alice, url, summary="Find orders").status_code == 302
        assert changed(source(app)) == (
            ["      summary: List orders  # short"],
            ["      summary: Find orders  # short"],
        )

    def test_gives_an_operation_another_path(self, app: Flask, alice: FlaskClient) -> None:
        url = f"{PAGE}/design/operations?method=get&path=/orders"
        answer = sent(alice, url, path="/purchases")
        assert answer.status_code == 422
        assert "comments" in answer.text  # they would be lost on the way: the other operation stays behind

    def test_removes_an_operation(self, app: Flask, alice: FlaskClient) -> None:
        edits = edits_of(alice.get(f"{PAGE}/design").text)
        alice.post(f"{PAGE}/design/operations/remove?method=post&path=/orders", data={"edits": edits})
        assert set(parse(source(app))["paths"]["/orders"]) == {"get"}
        assert changed(source(app))[1] == []

    def test_renames_a_schema_and_all_that_refers_to_it(self, app: Flask, alice: FlaskClient) -> None:
        assert sent(alice, f"{PAGE}/design/schemas?name=Order", name="Purchase").status_code == 302
        assert 'schemas/Order"' not in source(app)
        assert source(app).count('schemas/Purchase"') == COMMENTED.count('schemas/Order"')
        assert "# the cursor is opaque" in source(app)

    def test_a_schema_that_is_used_cannot_go(self, app: Flask, alice: FlaskClient) -> None:
        before, edits = source(app), edits_of(alice.get(f"{PAGE}/design").text)
        alice.post(f"{PAGE}/design/schemas/remove?name=Order", data={"edits": edits})
        assert "Order is used by" in alice.get(f"{PAGE}/design").text
        assert source(app) == before

    def test_changes_properties_in_their_place(self, app: Flask, alice: FlaskClient) -> None:
        url = f"{PAGE}/design/schemas?name=Problem"
        page = fields(alice.get(url).text)
        names = [page[k] for k in page if re.fullmatch(r"properties-\d+-at", k) and page[k]]
        rows = len(names)
        values = {
            f"properties-{rows}-name": "trace",
            f"properties-{rows}-type": "string",
            f"properties-{rows}-required": "y",
        }
        values |= {"properties-0-name": "kind"}
        assert sent(alice, url, **values).status_code == 302
        schema = parse(source(app))["components"]["schemas"]["Problem"]
        assert list(schema["properties"]) == ["kind", *names[1:], "trace"]
        assert "trace" in schema["required"]

    def test_another_row_is_there_without_javascript(self, alice: FlaskClient) -> None:
        url = f"{PAGE}/design/servers"
        before = alice.get(url).text.count("data-row")
        answer = sent(alice, url, more="items")
        assert answer.status_code == 200
        assert answer.text.count("data-row") == before + 1

    def test_what_makes_no_good_document_is_refused_with_what_was_typed(self, app: Flask, alice: FlaskClient) -> None:
        before = source(app)
        answer = sent(alice, f"{PAGE}/design/operations", path="/x", operation_id="listOrders", method="get")
        assert answer.status_code == 422
        assert "operationId listOrders is taken" in answer.text
        assert 'value="/x"' in answer.text
        assert source(app) == before

    def test_of_a_page_that_is_old_is_refused(self, app: Flask, alice: FlaskClient) -> None:
        answer = sent(alice, f"{PAGE}/design", edits="7", title="Late")
        assert answer.status_code == 422
        assert "somebody else" in answer.text


def changed(text: str) -> tuple[list[str], list[str]]:
    """Lines that went and lines that came, against the text that Alice began with."""
    import difflib

    found = list(difflib.ndiff(COMMENTED.splitlines(), text.splitlines()))
    return [line[2:] for line in found if line[0] == "-"], [line[2:] for line in found if line[0] == "+"]


class TestBlank:
    START = {"source": "blank", "team": "1", "title": "Loyalty: points", "number": "1.0", "path": "/loyalty-points"}

    def test_makes_a_good_document_and_opens_it(self, app: Flask, sign_in: SignIn) -> None:
        alice = sign_in("alice")
        assert alice.post("/apis/new", data=self.START).location == "/apis/loyalty-points/1.0/edit"
        assert parse(source(app))["info"] == {"title": "Loyalty: points", "version": "1.0", "description": ""}
        assert "# Each path" in source(app)

    def test_does_not_write_over_a_draft(self, app: Flask, sign_in: SignIn) -> None:
        alice = sign_in("alice")
        alice.post("/apis/new", data=self.START)
        answer = alice.post("/apis/new", data=self.START | {"path": "/other"})
        assert answer.status_code == 422
        assert "Choose another number" in answer.text
        assert "/other" not in source(app)

    @pytest.mark.parametrize("title", ["yes", "# x", "it's", 'a "b" {c}', "1.0", "é😀", "x: y"])
    def test_any_title_makes_a_document(self, title: str) -> None:
        assert parse(blank_document(title, "1", "/things"))["info"]["title"] == title


def test_the_trail_says_in_short_what_was_changed(app: Flask, alice: FlaskClient) -> None:
    sent(alice, f"{PAGE}/design/operations?method=get&path=/orders", summary="Find orders")
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert entry is not None
        assert entry.changes == {"operations_changed": "GET /orders"}
    assert what_changed(parse(ORDERS), parse(ORDERS)) == {"text": "wording, comments or layout"}
