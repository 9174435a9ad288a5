"""The main job, walked as a stranger would: a fresh installation, three people, one API, a real Envoy, real calls."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from datetime import timedelta

import pytest
from programs import Installation, call, wait_until

from console.db import now

pytestmark = [pytest.mark.browser, pytest.mark.envoy]
PASSWORD = "walnut harbor linen 42"


def first_admin(admin, running: Installation) -> None:
    link = re.search(rf"{running.console}/setup/\S+", running.said())[0]
    admin.open(link.removeprefix(running.console))
    admin.fill(name="Maren Kvist", email="maren@example.org", password=PASSWORD, again=PASSWORD)
    admin.click("Create admin and sign in")
    assert admin.page.get_by_role("heading", level=1).inner_text() == "Welcome, Maren"
    assert call(link).status == 409  # once


def import_the_sample(admin, running: Installation) -> None:
    admin.click("Import an OpenAPI document", "link")
    assert admin.page.locator("[name=url]").input_value() == f"{running.sample}/openapi.yaml"
    admin.click("Import")
    assert "Orders" in admin.page.get_by_role("heading", level=1).inner_text()
    admin.click("Document", "link")
    assert admin.page.get_by_text("List orders").first.is_visible()


def publish(admin, running: Installation) -> None:
    admin.page.get_by_role("navigation", name="Version").get_by_text("Overview").click()
    admin.fill(backend_url=running.sample)
    admin.page.get_by_label("API key").check()
    admin.click("Go on to publish")
    admin.click("Publish version")
    published = time.monotonic()
    wait_until(lambda: call(f"{running.gateway}/orders/v1/orders").status == 401, 2)
    assert time.monotonic() - published < 2
    refused = call(f"{running.gateway}/orders/v1/orders")
    assert refused.headers["www-authenticate"].startswith("Bearer realm=")
    assert refused.headers["content-type"] == "application/problem+json"
    admin.page.get_by_text("On 1 of 1 node").wait_for(timeout=3000)
    admin.check()


def invite(admin, email: str, role: str) -> str:
    admin.open("/people/invite")
    admin.fill(email=email)
    admin.page.get_by_role("radio", name=re.compile(role)).check()
    admin.click("Invite")
    return admin.page.locator("#link").inner_text()


def join(person, link: str, name: str) -> None:
    person.open(link.removeprefix(person.console))
    person.fill(name=name, password=PASSWORD, again=PASSWORD)
    person.click("Join and sign in")


def subscribe(developer) -> None:
    developer.open("/catalog")
    developer.page.get_by_role("link", name="Orders 1.0.0").click()
    developer.click("Create an application", "link")
    developer.fill(name="Fjord Mobile")
    developer.click("Create application")
    developer.open("/catalog/orders/1.0.0")
    developer.fill(message="For the phone app.")
    developer.click("Ask for access")
    assert developer.page.get_by_text("Waiting").first.is_visible()


def approve(admin) -> None:
    admin.open("/approvals")
    admin.click("Approve Fjord Mobile for Orders 1.0.0")
    assert "Nothing waits for a decision" in admin.page.inner_text("main")


def get_a_token(developer) -> str:
    """The curl line of the page."""
    developer.open("/applications/1")
    developer.click("Get a token", "link")
    developer.click("Get token")
    token = developer.page.locator("#token").inner_text()
    assert len(token.split(".")) == 5  # a JWE: signed, then encrypted
    line = developer.page.locator("#curl").inner_text()
    assert token in line
    return line


def run_the_line(line: str) -> None:
    words = shlex.split(line.replace("\\\n", " "))
    answer = subprocess.run([*words, "-s"], capture_output=True, text=True, timeout=20, check=True)
    assert json.loads(answer.stdout)["orders"], answer.stdout


def token_of(line: str) -> str:
    return re.search(r"Bearer ([\w.-]+)", line)[1]


def see_the_call(person, path: str) -> None:
    """Within two seconds of the call its record is on the page."""

    def there() -> bool:
        person.page.goto(person.console + path)
        return person.page.get_by_role("link", name="/orders/v1/orders", exact=True).count() > 0

    assert wait_until(there, 3) < 3
    person.check()


def refused_and_why(line: str, running: Installation, developer) -> None:
    """An altered, a plain and a revoked token never reach the backend."""
    url, token = f"{running.gateway}/orders/v1/orders", token_of(line)
    altered = call(url, headers={"Authorization": f"Bearer {token[:-2]}AA"})
    assert (altered.status, "cannot be decrypted" in altered.body) == (401, True)
    plain = call(url, headers={"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."})
    assert plain.status == 401
    developer.open("/applications/1")
    developer.page.get_by_text("Revoke").first.click()
    developer.page.locator("details[open] button").click()
    bearer = {"Authorization": f"Bearer {token}"}
    # each of the gateway's threads takes the news by itself: all of several calls must be refused
    wait_until(lambda: all(call(url, headers=bearer).status == 401 for _ in range(8)), 2)
    assert "revoked" in call(url, headers=bearer).body


def machine_credentials(developer, running: Installation) -> str:
    """A client secret gets tokens, an API key calls."""
    developer.open("/applications/1")
    developer.click("Create secret", "link")
    developer.click("Create secret")
    words = shlex.split(developer.page.locator("#curl").inner_text().replace("\\\n", " "))
    said = json.loads(subprocess.run([*words, "-s"], capture_output=True, text=True, timeout=20, check=True).stdout)
    assert said["token_type"] == "Bearer"
    url = f"{running.gateway}/orders/v1/products"
    assert call(url, headers={"Authorization": f"Bearer {said['access_token']}"}).status == 200
    developer.open("/applications/1/keys/new")
    developer.fill(name="Build server")
    developer.click("Create key")
    key = developer.page.locator("#key").inner_text()
    assert call(url, headers={"X-API-Key": key}).status == 200
    assert call(url, headers={"X-API-Key": key[:-1] + "_"}).status == 401
    return said["access_token"]


def deprecate_and_retire(admin, running: Installation, token: str) -> None:
    url = f"{running.gateway}/orders/v1/products"
    admin.open("/apis/orders/1.0.0/deprecate")
    admin.fill(sunset=f"{now() + timedelta(days=90):%Y-%m-%d}")
    admin.click("Deprecate version")

    def said() -> dict[str, str]:
        return call(url, headers={"Authorization": f"Bearer {token}"}).headers

    wait_until(lambda: "deprecation" in said(), 2)
    assert re.fullmatch(r"@\d{10}", said()["deprecation"])  # RFC 9745
    assert said()["sunset"].endswith("GMT")  # RFC 8594
    assert 'rel="deprecation"' in said()["link"]
    admin.open("/apis/orders/1.0.0/retire")
    admin.fill(name="Orders 1.0.0", reason="Nobody maintains it.")
    admin.click("Retire version")
    wait_until(lambda: call(url).status == 410, 2)
    gone = call(url)
    assert gone.headers["content-type"] == "application/problem+json"
    assert json.loads(gone.body)["status"] == 410


def audit(auditor) -> None:
    """She reads all of it, takes both away, and finds nothing to change."""
    auditor.open("/audit")
    text = auditor.page.inner_text("main")
    for action in (
        "admin.created", "version.imported", "version.published", "person.invited", "person.joined", "application.created",
        "subscription.requested", "subscription.approved", "token.issued", "token.revoked", "secret.created", "key.created",
        "version.deprecated", "version.retired",
    ):  # fmt: skip
        assert action in text, action
    for page in ("/audit", "/logs"):
        auditor.open(page)
        if page == "/logs":
            auditor.page.get_by_text("Export", exact=True).click()
        with auditor.page.expect_download() as download:
            auditor.page.get_by_role("link", name="CSV").click()
        assert "orders/v1" in download.value.path().read_text() or page == "/audit"
    for page in ("/", "/apis", "/apis/orders/1.0.0", "/catalog", "/applications", "/applications/1", "/approvals", "/people",
                 "/nodes", "/keys", "/settings", "/logs"):  # fmt: skip
        auditor.open(page)
        forms = auditor.page.locator("form[method=post]").evaluate_all(
            "forms => forms.map(f => f.getAttribute('action'))"
        )
        assert set(forms) <= {"/logout", "/theme", "/logs/searches"}, (page, forms)


def test_the_story(window, running: Installation) -> None:
    admin, developer, auditor = window(), window(), window()
    first_admin(admin, running)
    import_the_sample(admin, running)
    publish(admin, running)
    join(developer, invite(admin, "jonas@example.org", "Developer"), "Jonas Weil")
    subscribe(developer)
    approve(admin)
    line = get_a_token(developer)
    run_the_line(line)
    see_the_call(admin, "/logs")
    see_the_call(developer, "/applications/1/logs")
    refused_and_why(line, running, developer)
    token = machine_credentials(developer, running)
    deprecate_and_retire(admin, running, token)
    join(auditor, invite(admin, "ines@example.org", "Auditor"), "Ines Okafor")
    see_the_call(auditor, "/logs")
    audit(auditor)
