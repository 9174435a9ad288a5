"""Who may use the REST API for what: by token and nothing else, by role and by scope."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from console.accounts.access_token_models import SCOPES, Scope, scope_for
from console.accounts.models import Permission, Role
from console.config import Config
from console.rest.views import OPERATIONS, Operation  # the views fill the table
from tests.conftest import Cast, SignIn, World, counts
from tests.rest import ROOT, Rest, make_token

VALUES = {"slug": "orders", "number": "1.0.0", "name": "standard"}
CLOSED = [one for one in OPERATIONS if one.permission != Permission.PUBLIC]


def address(app: Flask, one: Operation) -> str:
    rule = next(r for r in app.url_map.iter_rules() if r.endpoint == f"rest.{one.name}")
    with app.test_request_context():
        return rule.build({a: VALUES.get(a, 1) for a in rule.arguments})[1]  # type: ignore[index]


def lacking(app: Flask, permissions: frozenset[Permission]) -> Iterator[tuple[Operation, str]]:
    for one in CLOSED:
        if one.permission not in permissions:
            yield one, address(app, one)


@pytest.mark.parametrize("said", [None, "Bearer", "Bearer x", "Basic YTpi", "Bearer gwp_x_y", "Bearer gwk_a_b"])
def test_without_a_good_token_nothing_is_answered(app: Flask, world: World, said: str | None) -> None:
    rest, before = Rest(app), counts(app)
    for one in CLOSED:
        headers = {"Authorization": said} if said else {}
        answer = rest(one.method, address(app, one), {}, **headers)
        assert answer.status_code == 401, one.name
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="gatewright"')
        assert answer.mimetype == "application/problem+json"
    assert counts(app) == before


def test_a_browsers_session_opens_nothing(app: Flask, world: World, sign_in: SignIn) -> None:
    browser = sign_in("alice")
    for one in CLOSED:
        assert browser.open(address(app, one), method=one.method).status_code == 401, one.name


def test_a_token_opens_no_page(app: Flask, cast: Cast) -> None:
    said = {"Authorization": f"Bearer {make_token(app, cast.alice)}"}
    assert app.test_client().get("/apis", headers=said).status_code == 302


def test_a_cookie_beside_a_token_is_not_looked_at(app: Flask, cast: Cast, sign_in: SignIn) -> None:
    """No browser sends the header by itself, so there is no question of another site asking in her name."""
    browser, token = sign_in("alice"), make_token(app, cast.bob)
    said = {"Authorization": f"Bearer {token}", "Sec-Fetch-Site": "cross-site"}
    assert browser.get(f"{ROOT}/me", headers=said).json["email"] == "bob@example.org"
    made = browser.post(f"{ROOT}/applications", json={"name": "Till", "team": "Shop"}, headers=said)
    assert (made.status_code, made.json["created_by"]) == (201, "bob@example.org")


@pytest.mark.parametrize("name", ["bob", "dora"])
def test_what_a_role_lacks_is_refused(app: Flask, cast: Cast, world: World, name: str) -> None:
    rest = Rest(app, make_token(app, getattr(cast, name)))
    rest.get("/me")  # that it was used is noted now
    role, before = {"bob": Role.DEVELOPER, "dora": Role.AUDITOR}[name], counts(app)
    refused = list(lacking(app, role.permissions))
    assert len(refused) > 20
    for one, path in refused:
        assert rest(one.method, path, {}).status_code == 403, one.name
    assert counts(app) == before


@pytest.mark.parametrize("scope", Scope)
def test_what_a_scope_lacks_is_refused_to_an_admin_too(app: Flask, cast: Cast, world: World, scope: Scope) -> None:
    rest, before = Rest(app, make_token(app, cast.alice, scope)), counts(app)
    for one, path in lacking(app, SCOPES[scope] | {Permission.SIGNED_IN}):
        answer = rest(one.method, path, {})
        assert answer.status_code == 403, one.name
        assert f'error="insufficient_scope", scope="{scope_for(one.permission)}"' in answer.headers["WWW-Authenticate"]
    assert counts(app) == before


def test_a_scope_limits_what_is_found_too(app: Flask, cast: Cast, world: World) -> None:
    """An admin may change anybody's application because she decides on subscriptions; her token does not, so it may not."""
    few = Rest(app, make_token(app, cast.alice, Scope.APPLICATIONS_WRITE))
    both = Rest(app, make_token(app, cast.alice, Scope.APPLICATIONS_WRITE, Scope.SUBSCRIPTIONS_DECIDE))
    path = f"/applications/{world.application_id}/subscriptions/1/pause"
    assert few("POST", path).status_code == 404
    assert both("POST", path).status_code == 200


def test_others_applications_are_not_found(app: Flask, cast: Cast, world: World) -> None:
    carol = Rest(app, make_token(app, cast.carol))
    here = f"/applications/{world.application_id}"
    for path in (here, f"{here}/subscriptions", f"{here}/log-records", "/subscriptions/1"):
        assert carol.get(path).status_code == 404, path
    for act in ("pause", "resume", "close"):
        assert carol("POST", f"{here}/subscriptions/1/{act}").status_code == 404
    assert carol("POST", f"{here}/subscriptions", {"api": "orders", "version": "1.0.0"}).status_code == 404
    assert carol.get("/applications").json["items"] == []


def test_an_entry_of_the_trail_names_the_token(app: Flask, cast: Cast) -> None:
    rest = Rest(app, make_token(app, cast.alice))
    rest("POST", "/applications", {"name": "Till", "team": "Platform"})
    entry = rest.get("/audit-entries?limit=1").json["items"][0]
    assert (entry["action"], entry["actor"]) == ("application.created", "alice@example.org")
    assert len(entry["session"]) == 12
    found = rest.get(f"/audit-entries?session={entry['session']}").json["items"]
    assert [one["action"] for one in found] == ["application.created"]


def test_in_production_no_token_goes_over_plain_http(app: Flask, config: Config, cast: Cast) -> None:
    said = {"Authorization": f"Bearer {make_token(app, cast.alice)}"}
    app.extensions["gatewright"].config = Config(**vars(config) | {"env": "production"})
    client, far = app.test_client(), {"REMOTE_ADDR": "203.0.113.7"}
    answer = client.get(f"{ROOT}/me", headers=said, environ_base=far)
    assert (answer.status_code, "plain HTTP" in answer.json["detail"]) == (403, True)
    safe = client.get(f"{ROOT}/me", headers=said, environ_base=far, base_url="https://console.example.org")
    assert safe.status_code == 200
