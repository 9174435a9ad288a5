"""From a document to what gateways serve: import, publish, deprecate, retire, discard."""

from __future__ import annotations

import io
import re
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import undefer

from console.accounts.models import Person
from console.apis.actions import Choices, publish_version
from console.apis.models import ApiVersion, Draft, Revision
from console.db import db
from console.errors import Refused
from console.gateway.bundle import build
from tests.conftest import ORDERS, SignIn, World, at_once, counts, trail

PAGE = "/apis/orders/1.0.0"
PASTE = {"source": "paste", "team": "1", "document": ORDERS}
CHOICES: dict[str, Any] = {"backend_url": "http://127.0.0.1:9", "gateway_path": "/orders/v1", "lifetime": "15"}
CHOICES |= {"accepts": ["encrypted", "key"], "edits": "1", "anyway": "1"}
SECOND = ORDERS.replace("version: 1.0.0", "version: 2.0.0")


@pytest.fixture
def alice(sign_in: SignIn) -> FlaskClient:
    return sign_in("alice")


@pytest.fixture
def draft(app: Flask, alice: FlaskClient) -> FlaskClient:
    """Alice, who has imported version 1.0.0."""
    assert alice.post("/apis/new", data=PASTE).location == PAGE
    return alice


@pytest.fixture
def live(draft: FlaskClient) -> FlaskClient:
    """Alice, who has published it."""
    assert draft.post(f"{PAGE}/publish", data=CHOICES).location == PAGE
    return draft


def version(app: Flask, number: str = "1.0.0") -> ApiVersion:
    with app.app_context():
        query = select(ApiVersion).where(ApiVersion.version == number).options(undefer(ApiVersion.source))
        return db.session.scalars(query).one()


def served(app: Flask) -> list[dict[str, Any]]:
    with app.app_context():
        return build()["versions"]


def edits(browser: FlaskClient, page: str = PAGE) -> str:
    return re.search(r'name="edits" value="(\d+)"', browser.get(page).text).group(1)  # type: ignore[union-attr]


class TestImport:
    def test_pasted(self, app: Flask, alice: FlaskClient) -> None:
        assert alice.post("/apis/new", data=PASTE).location == PAGE
        found = version(app)
        assert (found.state, found.operations, found.accepts) == ("draft", 5, ["encrypted"])
        assert "orders:read" in found.scopes
        assert alice.get(f"{PAGE}/source").text == ORDERS.replace("\r\n", "\n")
        assert trail(app)[-1] == "version.imported"
        assert served(app) == []

    def test_from_a_file(self, app: Flask, alice: FlaskClient) -> None:
        file = (io.BytesIO(b"\xef\xbb\xbf" + ORDERS.encode()), "orders.yaml")
        assert alice.post("/apis/new", data={"source": "file", "team": "1", "file": file}).location == PAGE
        assert version(app).source == ORDERS

    @pytest.mark.parametrize(("content", "says"), [(b"\xff\xfe\x00", "not UTF-8"), (b"", "The document is empty.")])
    def test_from_an_impossible_file(self, app: Flask, alice: FlaskClient, content: bytes, says: str) -> None:
        before = counts(app)
        form = {"source": "file", "team": "1", "file": (io.BytesIO(content), "orders.yaml")}
        answer = alice.post("/apis/new", data=form)
        assert (answer.status_code, says in answer.text) == (422, True)
        assert counts(app) == before

    @pytest.mark.parametrize(
        ("form", "says"),
        [
            ({"document": ""}, "Paste the document here."),
            ({"document": "openapi: 3.1.0"}, "info"),
            ({"document": "swagger: '2.0'"}, "This is Swagger 2.0."),
            ({"document": "{"}, "line 2"),
            ({"document": ORDERS.replace("title: Orders", "title: ' '")}, "needs a title"),
            ({"team": "99"}, ""),
            ({"source": "file"}, "Choose a file."),
            ({"source": "url"}, "Write the address of the document."),
            ({"source": "telepathy"}, ""),
        ],
    )
    def test_refused(self, app: Flask, alice: FlaskClient, form: dict[str, str], says: str) -> None:
        before = counts(app)
        answer = alice.post("/apis/new", data=PASTE | form)
        assert (answer.status_code, says in answer.text) == (422, True)
        assert counts(app) == before

    def test_again_replaces_the_draft(self, app: Flask, draft: FlaskClient) -> None:
        draft.post(f"{PAGE}/save", data=CHOICES | {"gateway_path": "/mine"})
        changed = ORDERS.replace("summary: Place an order", "summary: Order something")
        assert draft.post("/apis/new", data=PASTE | {"document": changed}).location == PAGE
        assert (version(app).source, version(app).gateway_path) == (changed, "/mine")
        assert (counts(app)["api"], counts(app)["api_version"]) == (1, 1)

    def test_the_same_again_after_publishing_is_refused(self, app: Flask, live: FlaskClient) -> None:
        before = counts(app)
        answer = live.post("/apis/new", data=PASTE)
        assert answer.status_code == 422
        assert "Orders 1.0.0 is published with this very document already." in answer.text
        assert counts(app) == before

    def test_again_after_publishing_is_the_next_revision(self, app: Flask, live: FlaskClient) -> None:
        before = version(app)
        changed = ORDERS.replace("summary: Place an order", "summary: Order something")
        assert live.post("/apis/new", data=PASTE | {"document": changed}).location == PAGE
        after = version(app)
        assert (after.source, after.revision) == (before.source, 1)
        with app.app_context():
            assert db.session.get_one(Draft, after.id).source == changed

    def test_sent_twice_is_done_once(self, app: Flask, alice: FlaskClient) -> None:
        assert [alice.post("/apis/new", data=PASTE | {"once": "7"}).status_code for _ in "12"] == [302, 302]
        assert trail(app).count("version.imported") == 1

    def test_sent_twice_at_once_is_done_once(self, app: Flask, sign_in: SignIn) -> None:
        pair, form = (sign_in("alice"), sign_in("alice")), PASTE | {"once": "7"}
        send = [lambda b=b: b.post("/apis/new", data=form).status_code for b in pair]
        assert at_once(*send) == [302, 302]
        assert trail(app).count("version.imported") == 1

    def test_a_refused_form_may_be_sent_again(self, app: Flask, alice: FlaskClient) -> None:
        assert alice.post("/apis/new", data=PASTE | {"once": "7", "document": "{}"}).status_code == 422
        assert alice.post("/apis/new", data=PASTE | {"once": "7"}).location == PAGE

    def test_50_megabytes_are_too_many(self, app: Flask, alice: FlaskClient) -> None:
        before = counts(app)
        file = (io.BytesIO(b"x" * 50_000_000), "orders.yaml")
        answer = alice.post("/apis/new", data={"source": "file", "team": "1", "file": file})
        assert answer.status_code == 413
        assert "That is too large" in answer.text
        assert "Documents may have 10 MB at most." in answer.text
        assert counts(app) == before


class TestImportByAddress:
    @pytest.fixture
    def port(self) -> Iterator[int]:
        class Documents(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path == "/openapi.yaml" else 404)
                self.end_headers()
                self.wfile.write(ORDERS.encode())

            def log_message(self, *args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Documents) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield server.server_port
            server.shutdown()

    @pytest.fixture
    def settings(self, port: int) -> dict[str, str]:
        return {"GATEWRIGHT_FETCH_ALLOW": f"127.0.0.1:{port}"}

    def test_from_an_address(self, app: Flask, alice: FlaskClient, port: int) -> None:
        form = {"source": "url", "team": "1", "url": f"http://127.0.0.1:{port}/openapi.yaml", "once": "7"}
        assert alice.post("/apis/new", data=form).location == PAGE
        assert version(app).source == ORDERS
        assert alice.post("/apis/new", data=form).status_code == 302
        assert trail(app).count("version.imported") == 1

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:{}/none", "http://localhost:{}/openapi.yaml", "http://127.0.0.1:9/"]
    )
    def test_from_a_wrong_address(self, app: Flask, alice: FlaskClient, port: int, url: str) -> None:
        before = counts(app)
        answer = alice.post("/apis/new", data={"source": "url", "team": "1", "url": url.format(port)})
        assert (answer.status_code, 'id="url-e1"' in answer.text) == (422, True)
        assert counts(app) == before


class TestPublish:
    def test_leaves_a_revision_that_gateways_serve(self, app: Flask, live: FlaskClient) -> None:
        (only,) = served(app)
        assert (only["name"], only["path"], only["state"]) == ("orders@1.0.0", "/orders/v1", "protected")
        assert (only["backend"], only["accepts"]) == ("http://127.0.0.1:9", ["jwe", "key"])
        assert only["audience"] == "http://127.0.0.1:8080/orders/v1"
        with app.app_context():
            revision = db.session.scalars(select(Revision)).one()
            assert (revision.number, revision.content["gateway_path"]) == (1, "/orders/v1")
            assert revision.content["document"]["info"]["title"] == "Orders"
        assert trail(app)[-2:] == ["version.imported", "version.published"]

    def test_makes_an_encryption_key_where_tokens_are_encrypted(self, app: Flask, live: FlaskClient) -> None:
        assert counts(app)["encryption_key"] == 1

    def test_a_new_revision_follows_a_change(self, app: Flask, live: FlaskClient) -> None:
        page = f"{PAGE}/settings"
        again = CHOICES | {"edits": edits(live, page)}
        assert live.post(f"{PAGE}/publish", data=again).status_code == 422  # nothing is different
        assert live.post(f"{PAGE}/publish", data=again | {"backend_url": "http://127.0.0.1:10"}).status_code == 302
        assert (counts(app)["revision"], served(app)[0]["backend"]) == (2, "http://127.0.0.1:10")

    @pytest.mark.parametrize(
        ("form", "says"),
        [
            ({"gateway_path": "/orders/v1/../x"}, "Write the path as /orders/v1"),
            ({"gateway_path": "/Orders"}, "Write the path as /orders/v1"),
            ({"gateway_path": "orders"}, "Write the path as /orders/v1"),
            ({"gateway_path": ""}, "Choose a path, such as /orders/v1."),
            ({"gateway_path": "/" + "a" * 119}, ""),
            ({"gateway_path": "/" + "a" * 120}, "120 characters"),
            ({"accepts": []}, "Choose who may call."),
            ({"accepts": ["open", "key"]}, "Choose that alone"),
            ({"accepts": ["nobody"]}, "valid choice"),
            ({"lifetime": "0"}, "1 to 1440 minutes."),
            ({"lifetime": "abc"}, "Not a valid integer value"),
            ({"backend_url": ""}, "Where does the API run?"),
            ({"backend_url": "ftp://x"}, "Give the backend as http://host:port"),
            ({"backend_url": "http://169.254.169.254/"}, "cloud&#39;s metadata service"),
            ({"backend_url": "http://localhost:8000"}, "That is this installation itself."),
            ({"edits": ""}, "this form is out of date"),
        ],
    )
    def test_refused(self, app: Flask, draft: FlaskClient, form: dict[str, str], says: str) -> None:
        before = counts(app)
        answer = draft.post(f"{PAGE}/publish", data=CHOICES | form)
        if form == {"gateway_path": "/" + "a" * 119}:  # the longest that fits
            assert answer.status_code == 302
            return
        assert (answer.status_code, says in answer.text) == (422, True)
        assert counts(app) == before
        assert version(app).state == "draft"

    def test_a_taken_path_is_refused(self, app: Flask, live: FlaskClient) -> None:
        live.post("/apis/new", data=PASTE | {"document": SECOND})
        before = counts(app)
        answer = live.post("/apis/orders/2.0.0/publish", data=CHOICES)
        assert (answer.status_code, "belongs to Orders 1.0.0" in answer.text) == (422, True)
        assert counts(app) == before

    def test_two_versions_at_once_do_not_share_a_path(self, app: Flask, draft: FlaskClient, sign_in: SignIn) -> None:
        draft.post("/apis/new", data=PASTE | {"document": SECOND})
        other, form = sign_in("alice"), CHOICES | {"gateway_path": "/shared"}
        pages = ((draft, PAGE), (other, "/apis/orders/2.0.0"))
        answers = at_once(*[lambda b=b, p=p: b.post(f"{p}/publish", data=form).status_code for b, p in pages])
        assert sorted(answers) == [302, 422]
        assert [v["path"] for v in served(app)] == ["/shared"]

    def test_two_browsers_publish_once(self, app: Flask, draft: FlaskClient, sign_in: SignIn) -> None:
        other = sign_in("alice")
        answers = at_once(*[lambda b=b: b.post(f"{PAGE}/publish", data=CHOICES) for b in (draft, other)])
        assert sorted(a.status_code for a in answers) == [302, 422]
        refused = max(answers, key=lambda a: a.status_code)
        assert "was changed or published by somebody else while this page was open" in refused.text
        assert (counts(app)["revision"], trail(app).count("version.published")) == (1, 1)

    def test_an_older_form_changes_nothing(self, app: Flask, draft: FlaskClient) -> None:
        assert draft.post(f"{PAGE}/save", data=CHOICES | {"lifetime": "30"}).status_code == 302
        before = counts(app)
        assert draft.post(f"{PAGE}/save", data=CHOICES).status_code == 422
        assert counts(app) == before
        assert version(app).token_lifetime_s == 1800

    def test_a_silent_backend_is_asked_about(self, app: Flask, draft: FlaskClient) -> None:
        before = counts(app)
        answer = draft.post(f"{PAGE}/publish", data=CHOICES | {"anyway": ""})
        assert answer.status_code == 422
        assert "Nothing listens at 127.0.0.1 on port 9." in answer.text
        assert 'name="anyway"' in answer.text
        assert counts(app) == before

    def test_a_backend_that_answers_is_not_asked_about(self, app: Flask, draft: FlaskClient) -> None:
        with socket.create_server(("127.0.0.1", 0)) as backend:
            form = CHOICES | {"anyway": "", "backend_url": f"http://127.0.0.1:{backend.getsockname()[1]}/base/"}
            assert draft.post(f"{PAGE}/publish", data=form).status_code == 302
        assert served(app)[0]["backend"] == form["backend_url"].rstrip("/")

    def test_a_document_without_operations_is_refused(self, app: Flask, alice: FlaskClient) -> None:
        empty = "openapi: 3.1.0\ninfo: {title: Orders, version: 1.0.0}\npaths: {}"
        alice.post("/apis/new", data=PASTE | {"document": empty})
        assert "there is nothing to publish" in alice.post(f"{PAGE}/publish", data=CHOICES).text
        assert version(app).state == "draft"


class TestDeprecate:
    SUNSET = (datetime.now(UTC) + timedelta(days=60)).date()

    def test_every_answer_says_so(self, app: Flask, live: FlaskClient) -> None:
        live.post("/apis/new", data=PASTE | {"document": SECOND})
        live.post("/apis/orders/2.0.0/publish", data=CHOICES | {"gateway_path": "/orders/v2"})
        form = {"sunset": str(self.SUNSET), "successor": "2", "note": "Use 2."}
        assert live.post(f"{PAGE}/deprecate", data=form).status_code == 302
        headers = dict(served(app)[0]["headers"])
        at = version(app).deprecated_at
        assert at is not None
        assert headers["deprecation"] == f"@{int(at.timestamp())}"  # RFC 9745 section 2.1
        assert headers["sunset"].endswith(" GMT")
        assert parsedate_to_datetime(headers["sunset"]).date() == self.SUNSET  # RFC 8594 section 3
        page, successor = headers["link"].split(", ")
        assert page == '<http://127.0.0.1:8000/catalog/orders/1.0.0>; rel="deprecation"; type="text/html"'
        assert successor == '<http://127.0.0.1:8080/orders/v2>; rel="successor-version"'
        assert trail(app)[-1] == "version.deprecated"

    @pytest.mark.parametrize(
        "form", [{"sunset": ""}, {"sunset": "2020-01-01"}, {"sunset": "soon"}, {"successor": "1"}, {"successor": "99"}]
    )
    def test_refused(self, app: Flask, live: FlaskClient, form: dict[str, str]) -> None:
        before = counts(app)
        assert live.post(f"{PAGE}/deprecate", data={"sunset": str(self.SUNSET)} | form).status_code == 422
        assert counts(app) == before
        assert version(app).state == "published"

    def test_a_draft_is_not_deprecated(self, app: Flask, draft: FlaskClient) -> None:
        assert draft.post(f"{PAGE}/deprecate", data={"sunset": str(self.SUNSET)}).status_code == 422
        assert version(app).state == "draft"


class TestRetire:
    @pytest.mark.parametrize("name", ["", "Orders", "orders 1.0.0", "Orders 2.0.0"])
    def test_wants_the_name(self, app: Flask, live: FlaskClient, name: str) -> None:
        before = counts(app)
        assert live.post(f"{PAGE}/retire", data={"name": name}).status_code == 422
        assert counts(app) == before
        assert version(app).state == "published"

    def test_callers_are_told(self, app: Flask, live: FlaskClient) -> None:
        assert live.post(f"{PAGE}/retire", data={"name": "Orders 1.0.0"}).status_code == 302
        (only,) = served(app)
        assert (only["state"], only["operations"]) == ("retired", [])
        assert only["detail"].startswith("Orders 1.0.0 was retired on ")
        assert live.post(f"{PAGE}/retire", data={"name": "Orders 1.0.0"}).status_code == 422
        assert live.post(f"{PAGE}/publish", data=CHOICES | {"edits": str(version(app).edits)}).status_code == 422
        assert trail(app)[-1] == "version.retired"


class TestDiscard:
    def test_a_draft_goes_with_its_api(self, app: Flask, draft: FlaskClient) -> None:
        assert draft.post(f"{PAGE}/discard").location == "/apis"
        assert (counts(app)["api"], counts(app)["api_version"]) == (0, 0)
        assert trail(app)[-1] == "version.discarded"
        assert draft.get(PAGE).status_code == 404

    def test_only_the_draft_goes(self, app: Flask, live: FlaskClient) -> None:
        live.post("/apis/new", data=PASTE | {"document": SECOND})
        assert live.post("/apis/orders/2.0.0/discard").status_code == 302
        assert (counts(app)["api"], counts(app)["api_version"]) == (1, 1)

    def test_what_was_published_stays(self, app: Flask, live: FlaskClient) -> None:
        before = counts(app)
        answer = live.post(f"{PAGE}/discard")
        assert (answer.status_code, "deprecate and retire it instead" in answer.text) == (409, True)
        assert counts(app) == before


def test_developers_see_what_is_published(sign_in: SignIn, world: World, alice: FlaskClient) -> None:
    alice.post("/apis/new", data=PASTE | {"document": SECOND})
    bob = sign_in("bob")
    assert "Orders" in bob.get("/catalog").text
    assert bob.get("/catalog/orders/1.0.0").status_code == 200
    assert bob.get("/catalog/orders/2.0.0").status_code == 404


class TestBodiesInTheLog:
    def test_are_off_unless_chosen(self, app: Flask, live: FlaskClient) -> None:
        assert (version(app).log_bodies, version(app).log_body_bytes) == (False, 2048)
        assert "Not in the request log" in live.get(PAGE).text
        assert "request log" not in live.get("/catalog/orders/1.0.0").text

    def test_are_a_choice_that_is_published(self, app: Flask, live: FlaskClient) -> None:
        chosen = CHOICES | {"log_bodies": "1", "log_body_bytes": "512", "edits": edits(live, f"{PAGE}/settings")}
        assert live.post(f"{PAGE}/publish", data=chosen).location == PAGE
        with app.app_context():
            revision = db.session.scalars(select(Revision).order_by(Revision.number.desc())).first()
            assert revision is not None
            said = revision.content
            assert (revision.number, said["log_bodies"], said["log_body_bytes"]) == (2, True, 512)
        assert "the first 512 bytes" in live.get(PAGE).text
        assert "The first 512 bytes of what you send" in live.get("/catalog/orders/1.0.0").text
        form = live.get(f"{PAGE}/settings").text
        assert re.search(r'name="log_bodies" value="1" checked', form)
        assert re.search(r'name="log_body_bytes" type="number" value="512"', form)
        assert "names, addresses and all the rest are not" in form

    @pytest.mark.parametrize("size", ["0", "-1", "16385", "many"])
    def test_of_an_impossible_size_are_refused(self, app: Flask, live: FlaskClient, size: str) -> None:
        before = counts(app)
        chosen = CHOICES | {"log_bodies": "1", "log_body_bytes": size, "edits": edits(live, f"{PAGE}/settings")}
        assert live.post(f"{PAGE}/publish", data=chosen).status_code == 422
        assert counts(app) == before

    def test_of_an_impossible_size_are_refused_to_machines_too(self, app: Flask, world: World) -> None:
        choices = Choices("http://127.0.0.1:9", "/orders/v1", ["key"], 900, log_bodies=True, log_body_bytes=16385)
        with app.app_context():
            found, alice = db.session.get_one(ApiVersion, world.version_id), db.session.get_one(Person, 1)
            with pytest.raises(Refused, match="16384"):
                publish_version(found, choices, edits=found.edits, by=alice)
