"""Who may open and change what: every route, every role."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from console import machine_routes
from console.accounts.models import Permission, Role
from console.web.access import local_path, permission_of
from tests.conftest import PASSWORD, SignIn, World, counts

ROLES = {"alice": Role.ADMIN, "bob": Role.DEVELOPER, "dora": Role.AUDITOR}
OWN_SEARCHES = {"logs.save_search", "logs.forget_search"}  # of her team, and nobody else's business
OWN_ACCOUNT = OWN_SEARCHES | {"accounts.logout", "profile.change_password", "profile.end_others", "profile.theme"}
OWN_ACCOUNT |= {"access_tokens.create", "access_tokens.revoke"}


def routes(app: Flask, world: World, method: str) -> Iterator[tuple[str, str]]:
    """Endpoint and an address of it that leads somewhere; those for programs are asked in test_rest_access.py."""
    values = {"slug": "orders", "number": "1.0.0", "application_id": world.application_id, "token": "x", "jti": "x"}
    for rule in app.url_map.iter_rules():
        if method in (rule.methods or ()) and not rule.endpoint.startswith("rest."):
            with app.test_request_context():
                yield rule.endpoint, rule.build({a: values.get(a, 1) for a in rule.arguments})[1]  # type: ignore[index]


def test_every_view_names_a_permission(app: Flask) -> None:
    silent = [r.endpoint for r in app.url_map.iter_rules() if permission_of(app, r.endpoint) is None]
    assert silent == []


def test_signed_out_pages_lead_to_sign_in(app: Flask, client: FlaskClient, world: World) -> None:
    for endpoint, path in routes(app, world, "GET"):
        if permission_of(app, endpoint) != Permission.PUBLIC:
            answer = client.get(path)
            assert (answer.status_code, answer.location[:6]) == (302, "/login"), path


def test_signed_out_posts_change_nothing(app: Flask, client: FlaskClient, world: World) -> None:
    before = counts(app)
    for endpoint, path in routes(app, world, "POST"):
        if permission_of(app, endpoint) != Permission.PUBLIC:
            answer = client.post(path, data={"name": "x"})
            assert (answer.status_code, answer.location[:6]) == (302, "/login"), path
    assert counts(app) == before


def test_a_view_without_a_permission_is_refused(app: Flask, sign_in: SignIn) -> None:
    app.add_url_rule("/forgotten", view_func=lambda: "secret")
    answer = sign_in("alice").get("/forgotten")
    assert answer.status_code == 403
    assert "secret" not in answer.text


@pytest.mark.parametrize("name", ["bob", "dora"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_a_role_lacks_is_refused(app: Flask, sign_in: SignIn, world: World, name: str, method: str) -> None:
    browser, before = sign_in(name), counts(app)
    lacking = [
        path
        for endpoint, path in routes(app, world, method)
        if permission_of(app, endpoint) not in ROLES[name].permissions
    ]
    assert lacking
    for path in lacking:
        assert browser.open(path, method=method).status_code == 403, path
    assert counts(app) == before


ONLY_LOOK = {
    "inspector.look",
    "leaks.look",
    "why.look",
}  # what is pasted must not be in an address, so these are asked by POST


def test_auditors_change_nothing(app: Flask, sign_in: SignIn, world: World) -> None:
    dora, before = sign_in("dora"), counts(app)
    for endpoint, path in routes(app, world, "POST"):
        if endpoint not in OWN_ACCOUNT | ONLY_LOOK and permission_of(app, endpoint) != Permission.PUBLIC:
            assert dora.post(path, data={"name": "x"}).status_code == 403, path
    assert counts(app) == before


@pytest.mark.parametrize("name", ROLES)
def test_the_menu_leads_nowhere_forbidden(sign_in: SignIn, world: World, name: str) -> None:
    browser = sign_in(name)
    menu = re.findall(r'<li><a href="([^"]+)"', browser.get("/").text.split("sidebar-body")[1].split("</nav>")[0])
    assert len(menu) >= 3
    for path in menu:
        assert browser.get(path).status_code == 200, path


def test_auditors_read_every_application(sign_in: SignIn, world: World) -> None:
    dora, path = sign_in("dora"), f"/applications/{world.application_id}"
    assert "Shop" in dora.get("/applications").text
    assert dora.get(path).status_code == dora.get(f"{path}/logs").status_code == 200
    assert "Create secret" not in dora.get(path).text
    assert dora.get(f"{path}/tokens/new").status_code == 403


def test_other_teams_do_not_exist(sign_in: SignIn, world: World) -> None:
    carol, path = sign_in("carol"), f"/applications/{world.application_id}"
    for page in ("", "/logs", "/logs/1", "/keys/new", "/tokens/new"):
        assert carol.get(path + page).status_code == 404, page
    for act in ("/secrets", "/secrets/1/revoke", "/keys/new", "/keys/1/revoke", "/tokens/new", "/tokens/x/revoke"):
        assert carol.post(path + act).status_code == 404, act
    assert carol.post("/subscriptions/1/close").status_code == 404


def test_machines_prove_who_they_are(app: Flask, client: FlaskClient) -> None:
    before = counts(app)
    for route in machine_routes():
        assert route.proof in ("client", "node", "nobody")
        answer = client.open(route.path, method=route.method, json={}, headers={"Authorization": "Bearer gwn_x_y"})
        # 400: no form; 409: no enrolment code; 503: the caller's credential may be good, this node's is not
        good = {"client": {400, 401}, "node": {401, 409, 503}, "nobody": {200, 400}}[route.proof]
        assert answer.status_code in good, route.path
    assert counts(app) == before


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/introspect", "/oauth/revoke"])
def test_clients_without_proof_get_401(client: FlaskClient, path: str) -> None:
    answer = client.post(path, data={"grant_type": "client_credentials", "token": "x"})
    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 302),
        ({"Sec-Fetch-Site": "none"}, 302),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost"}, 302),
        ({}, 403),
    ],
)
def test_other_sites_change_nothing(app: Flask, sign_in: SignIn, headers: dict[str, str], status: int) -> None:
    alice = sign_in("alice")
    del alice.environ_base["HTTP_SEC_FETCH_SITE"]
    before = counts(app)["team"]
    assert alice.post("/teams", data={"name": "Harbour"}, headers=headers).status_code == status
    assert counts(app)["team"] - before == (status == 302)


ELSEWHERE = ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "\t//evil.example"]
ELSEWHERE += ["/\n/evil.example", "javascript:alert(1)", "/\x00/evil.example", "evil.example"]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_sign_in_leads_to_no_other_site(client: FlaskClient, cast: object, target: str) -> None:
    form = {"email": "bob@example.org", "password": PASSWORD, "next": target}
    assert client.post("/login", data=form).location == "/"
    assert client.get("/login", query_string={"next": target}).location == "/"
    assert client.post("/theme", data={"back": target}, headers={"Sec-Fetch-Site": "none"}).location == "/"


def test_sign_in_leads_back(client: FlaskClient, cast: object) -> None:
    assert client.get("/logs?status=5xx").location == "/login?next=/logs?status%3D5xx"
    form = {"email": "alice@example.org", "password": PASSWORD, "next": "/logs?status=5xx"}
    assert client.post("/login", data=form).location == "/logs?status=5xx"
    assert local_path("/a//b?c=//d") == "/a//b?c=//d"


def test_a_part_of_a_page_says_where_to_sign_in(client: FlaskClient) -> None:
    answer = client.get("/logs", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"][:6]) == (401, "/login")
