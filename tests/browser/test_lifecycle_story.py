"""The whole life of an API in the browser, on a real Envoy: design, review, publish, subscribe, try it, a breaking change
that the gate stops, a second version, deprecation, the burn-down, retirement, and 410 at the end."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from programs import Installation, call, wait_until

from console.db import now
from tests.browser.test_story import first_admin, import_the_sample, invite, join
from tests.conftest import ORDERS

pytestmark = [pytest.mark.browser, pytest.mark.envoy]
PAGE = "/apis/orders/1.0.0"
BREAKING = ORDERS.replace("  /orders:\n", "  /bestellungen:\n")
SECOND = ORDERS.replace("version: 1.0.0", "version: 2.0.0")


def design(admin: Any) -> None:
    """The form changes the same document, and its comments stay."""
    admin.open(f"{PAGE}/design")
    admin.fill(summary="Orders, as the shop takes them.")
    admin.click("Save")
    admin.open(f"{PAGE}/edit")
    assert "Orders, as the shop takes them." in admin.page.content()
    admin.open(f"{PAGE}/lint")
    assert admin.page.get_by_role("heading", name="Score").is_visible()


def choose_and_ask_for_a_review(admin: Any, running: Installation) -> None:
    admin.open(PAGE)
    admin.fill(backend_url=running.sample)
    admin.click("Go on to publish")
    assert "What will be served" in admin.page.inner_text("main")
    admin.click("Ask for a review", "link")
    admin.fill(message="Is this good enough for the phone app?")
    admin.click("Ask for a review")
    assert admin.page.get_by_text("In review").first.is_visible()


def review(second: Any) -> None:
    second.open(f"{PAGE}/reviews")
    second.page.locator("select[name=operation]").select_option("GET /orders")
    second.fill(text="How many does a page hold?")
    second.click("Comment")
    assert "How many does a page hold?" in second.page.inner_text("main")
    second.fill(answer="Good.")
    second.click("Approve")
    assert second.page.get_by_text("Approved").first.is_visible()


def publish(admin: Any, running: Installation) -> None:
    admin.open(f"{PAGE}/publish")
    assert "approved exactly this" in admin.page.inner_text("main")
    admin.click("Publish version")
    admin.page.get_by_text("On 1 of 1 node").wait_for(timeout=5000)
    wait_until(lambda: call(f"{running.gateway}/orders/v1/orders").status == 401, 3)


def make_a_plan(admin: Any) -> None:
    admin.open(f"{PAGE}/plans/new")
    admin.fill(title="Gold", name="gold", rate_requests="600")
    admin.page.locator("select[name=approval]").select_option("automatic")
    admin.click("Make plan")
    admin.page.locator("tr", has_text="Gold").get_by_role("button", name="Publish").click()
    admin.page.get_by_text("Developers can choose Gold now.").wait_for()
    admin.check()


def subscribe(developer: Any) -> None:
    developer.open("/applications/new")
    developer.fill(name="Fjord Mobile")
    developer.click("Create application")
    developer.open("/catalog/orders/1.0.0")
    developer.page.locator("select[name=plan]").select_option("gold")
    developer.click("Ask for access")
    assert "may call Orders 1.0.0 now" in developer.page.content()
    developer.open("/catalog/orders/1.0.0")
    developer.click("Follow")


def try_it(developer: Any) -> None:
    developer.open("/catalog/orders/1.0.0/operations/get-orders")
    developer.page.get_by_role("button", name="Send request").click()
    answer = developer.page.locator("#answer")
    answer.wait_for()
    assert "200" in answer.inner_text()
    developer.check()
    log_row = answer.get_by_role("link", name="Log row").get_attribute("href")

    def there() -> bool:
        developer.page.goto(developer.console + log_row)
        return "/orders/v1/orders" in developer.page.inner_text("main")

    wait_until(there, 5)


def the_gate_stops_a_breaking_change(admin: Any) -> None:
    admin.open("/apis/new")
    admin.page.get_by_label("Paste it").check()
    admin.page.locator("[name=document]").fill(BREAKING)
    admin.click("Import")
    admin.open(f"{PAGE}/publish")
    said = admin.page.inner_text("main")
    assert "It cannot be published yet." in said
    assert "another person has to sign it off" in said
    assert "1 application" in said
    assert admin.page.get_by_role("button", name="Publish revision 2").is_disabled()
    admin.page.locator("summary", has_text="Discard changes").click()
    admin.page.locator("details[open] button", has_text="Discard changes").click()
    admin.page.get_by_text("is gone").wait_for()
    admin.check()


def publish_a_second_version(admin: Any, running: Installation) -> None:
    admin.open("/apis/new")
    admin.page.get_by_label("Paste it").check()
    admin.page.locator("[name=document]").fill(SECOND)
    admin.click("Import")
    admin.fill(backend_url=running.sample)
    admin.click("Go on to publish")
    admin.click("Publish version")
    wait_until(lambda: call(f"{running.gateway}/orders/v2/orders").status == 401, 3)


def deprecate(admin: Any, running: Installation) -> None:
    admin.open(f"{PAGE}/deprecate")
    admin.fill(sunset=f"{now() + timedelta(days=60):%Y-%m-%d}", note="Version 2 has pages.")
    admin.page.locator("select[name=successor]").select_option(label="Orders 2.0.0")
    admin.click("Deprecate version")

    def said() -> dict[str, str]:
        return call(f"{running.gateway}/orders/v1/orders").headers

    wait_until(lambda: "deprecation" in said(), 3)
    assert re.fullmatch(r"@\d{10}", said()["deprecation"])  # RFC 9745
    assert said()["sunset"].endswith("GMT")  # RFC 8594
    assert 'rel="successor-version"' in said()["link"]
    wait_until(lambda: "Orders 1.0.0 ends on" in running.said(), 20)  # the mail


def who_is_left(admin: Any) -> None:
    admin.open(f"{PAGE}/usage")
    assert "Fjord Mobile" in admin.page.inner_text("main")
    admin.page.get_by_role("link", name="Write to them").click()
    admin.fill(text="Move to version 2, please tell us if you cannot.")
    admin.click("Send")
    assert "Mail goes to 3 people." in admin.page.content()  # all of them are of the team Platform


def told_in_the_catalog(developer: Any) -> None:
    developer.open("/catalog/orders/1.0.0")
    assert "Orders 2.0.0" in developer.page.inner_text("main")
    developer.open("/catalog/orders/1.0.0/changes")
    assert "Revision 1" in developer.page.inner_text("main")


def retire(admin: Any, running: Installation) -> None:
    admin.open(f"{PAGE}/retire")
    assert "It was called" in admin.page.inner_text("main")
    admin.fill(name="Orders 1.0.0")
    admin.page.get_by_role("button", name="Retire version").click()
    admin.page.get_by_text("Say why it is retired all the same.").wait_for()
    admin.complaints = [c for c in admin.complaints if "422" not in c]  # the browser itself reports it
    admin.fill(name="Orders 1.0.0", reason="Version 2 has pages.")
    admin.click("Retire version")
    wait_until(lambda: call(f"{running.gateway}/orders/v1/orders").status == 410, 3)
    gone = call(f"{running.gateway}/orders/v1/orders")
    assert gone.headers["content-type"] == "application/problem+json"
    assert "Orders 2.0.0" in json.loads(gone.body)["detail"]


def test_the_life_of_an_api(window: Any, running: Installation) -> None:
    admin, second, developer = window(), window(), window()
    first_admin(admin, running)
    join(second, invite(admin, "tobias@example.org", "Admin"), "Tobias Lund")
    join(developer, invite(admin, "jonas@example.org", "Developer"), "Jonas Weil")
    admin.open("/")
    import_the_sample(admin, running)
    design(admin)
    choose_and_ask_for_a_review(admin, running)
    review(second)
    publish(admin, running)
    make_a_plan(admin)
    subscribe(developer)
    try_it(developer)
    the_gate_stops_a_breaking_change(admin)
    publish_a_second_version(admin, running)
    deprecate(admin, running)
    who_is_left(admin)
    told_in_the_catalog(developer)
    retire(admin, running)
