"""Tokens and keys as people meet them: get, inspect, replace, check for leaks, and give an API a key of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from joserfc import jwe, jwk
from programs import Installation, call, installation, wait_until
from test_node import fill

from .test_pages import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.envoy]
ALGORITHMS = ["ECDH-ES+A256KW", "A256GCM"]


@pytest.fixture(scope="module")
def running(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("tokens") / "home") as me:
        yield me


@pytest.fixture(scope="module")
def people(running: Installation) -> dict[str, dict[str, str]]:
    return {p["role"]: p for p in reversed(fill(running, "--rows", "500")["people"])}


def get_a_token(developer, version: str) -> str:
    developer.open("/applications/1")
    developer.click("Get a token", "link")
    developer.page.locator("select[name=version]").select_option(label=version)
    developer.click("Get token")
    return developer.page.locator("#token").inner_text()


def inspect(person, token: str) -> str:
    """The verdict."""
    person.open("/tokens")
    person.fill(token=token)
    person.click("Inspect token")
    return person.page.locator("main section h2").first.inner_text()


def orders(running: Installation, version: str, token: str) -> int:
    return call(f"{running.gateway}/orders/{version}/orders", headers={"Authorization": f"Bearer {token}"}).status


def test_a_developer_gets_inspects_and_revokes_a_token(window, running: Installation, people) -> None:
    developer = window()
    sign_in(developer, people["developer"])
    token = get_a_token(developer, "Orders 2.0.0")
    for language in ("curl", "Python", "JavaScript"):
        summary = developer.page.locator("summary", has_text=language)
        if developer.page.locator(f"#{language.lower()}").is_hidden():
            summary.click()
        assert token in developer.page.locator(f"#{language.lower()}").inner_text()
    developer.check()
    assert orders(running, "v2", token) == 200
    assert inspect(developer, token) == "Would be taken"
    assert "orders:read" in developer.page.locator("main").inner_text()
    developer.page.locator("select[name=operation]").select_option("GET /orders")
    developer.click("Inspect token")
    assert "GET /orders needs" in developer.page.locator("main").inner_text()
    wait_until(lambda: used(developer), 5)
    developer.page.get_by_role("region", name="Tokens").get_by_text("Revoke").first.click()
    developer.page.locator("details[open] button").click()
    wait_until(lambda: orders(running, "v2", token) == 401, 2)
    assert inspect(developer, token) == "Would be refused with 401"
    assert developer.page.locator(".step.fail b").inner_text().startswith("Revoked")


def used(developer) -> bool:
    """Whether the list of live tokens tells the call."""
    developer.open("/applications/1")
    row = developer.page.get_by_role("region", name="Tokens").locator("tbody tr").first.inner_text()
    return "never" not in row


def test_a_key_is_replaced_and_checked_for_leaks(window, running: Installation, people) -> None:
    developer = window()
    sign_in(developer, people["developer"])
    developer.open("/applications/1/keys/new")
    developer.fill(name="Till", networks="127.0.0.0/8")
    developer.click("Create key")
    old = developer.page.locator("#key").inner_text()
    developer.open("/leaks")
    developer.fill(credential=old)
    developer.click("Look it up")
    assert "It works now" in developer.page.locator("main").inner_text()
    developer.click("Rotate", "link")
    developer.page.get_by_label("ends after 1 hour").check()
    developer.click("Rotate key")
    new = developer.page.locator("#key").inner_text()
    url = f"{running.gateway}/orders/v1/products"
    wait_until(lambda: [call(url, headers={"X-API-Key": key}).status for key in (old, new)] == [200, 200], 3)
    developer.open("/applications/1")
    assert developer.page.get_by_text("Replaced", exact=True).count() == 1


def test_an_api_gets_a_key_of_its_own(window, running: Installation, people, tmp_path: Path) -> None:
    """Registered, proven, published: then only the API can open its tokens, and the gateway still tells good from bad."""
    admin, developer = window(), window()
    sign_in(admin, people["admin"])
    sign_in(developer, people["developer"])
    pair = jwk.ECKey.generate_key("P-256", private=True)
    admin.open("/apis/orders/2.0.0/keys")
    admin.fill(jwk=json.dumps(pair.as_dict(private=False)))
    admin.click("Register key")
    challenge = admin.page.locator("#challenge").inner_text()
    answer = (jwe.decrypt_compact(challenge, pair, algorithms=ALGORITHMS).plaintext or b"").decode()
    admin.fill(answer="something else")
    admin.page.get_by_role("button", name="Prove the key").click()
    admin.page.get_by_text("not what the challenge says").wait_for()
    admin.fill(answer=answer)
    admin.complaints = [c for c in admin.complaints if "422" not in c]  # the browser itself reports it
    admin.click("Prove the key")
    assert "Proven" in admin.page.locator("main").inner_text()
    admin.open("/apis/orders/2.0.0/settings")
    admin.page.locator("summary", has_text="Token format").click()
    admin.page.locator("select[name=key_source]").select_option("jwk")
    admin.click("Go on to publish")
    admin.click("Publish revision 2")
    token = get_a_token(developer, "Orders 2.0.0")
    inner = (jwe.decrypt_compact(token, pair, algorithms=ALGORITHMS).plaintext or b"").decode()
    assert inner.count(".") == 2
    assert "Only the API can read these" in developer.page.locator("main").inner_text()
    wait_until(lambda: orders(running, "v2", token) == 200, 3)
    assert orders(running, "v2", token[:-4] + "AAAA") == 401
    assert inspect(admin, token) == "Would be taken"


def test_an_admin_revokes_a_signing_key(window, running: Installation, people) -> None:
    admin, developer = window(), window()
    sign_in(admin, people["admin"])
    sign_in(developer, people["developer"])
    token = get_a_token(developer, "Orders 1.0.0")
    assert orders(running, "v1", token) == 200
    admin.open("/keys")
    row = admin.page.get_by_role("row").filter(has_text="ES256").filter(has_text="Active")
    row.get_by_text("Revoke").first.click()
    admin.page.locator("details[open] button").click()
    wait_until(lambda: orders(running, "v1", token) == 401, 3)
    fresh = get_a_token(developer, "Orders 1.0.0")
    wait_until(lambda: orders(running, "v1", fresh) == 200, 3)
    admin.open("/keys")
    assert admin.page.get_by_text("what it signed is refused").count() == 1


def test_jobs_run_by_themselves(running: Installation) -> None:
    import sqlite3

    def done() -> set[str]:
        with sqlite3.connect(running.home / "gatewright.db") as connection:
            return {name for (name,) in connection.execute("SELECT name FROM job")}

    wait_until(lambda: {"rotate_keys", "warn_of_expiry", "sweep_tokens"} <= done(), 10)
