"""Every page of a filled installation, wide and narrow, light and dark: axe, overflow, console, foreign hosts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from programs import Installation, installation
from test_node import fill

pytestmark = [pytest.mark.browser, pytest.mark.envoy]

ADMIN = (
    "/", "/apis", "/apis/new", "/apis/orders/2.0.0", "/apis/orders/2.0.0/document", "/apis/orders/1.0.0/settings",
    "/apis/shipments/2.4.1", "/apis/shipments/2.4.1/usage", "/apis/rates/4.1.0/deprecate", "/apis/rates/4.1.0/retire", "/catalog", "/catalog/orders/1.0.0",
    "/applications", "/applications/new", "/applications/1", "/applications/1/keys/new", "/applications/1/tokens/new", "/approvals",
    "/people", "/people/invite", "/people/2", "/profile", "/profile/tokens", "/logs", "/logs?range=7d&q=shipments", "/logs/why", "/analytics?by=operation", "/alerts", "/alerts/new", "/alerts/webhooks/new", "/logs?path=nothing-like-it", "/logs/rejected", "/nodes", "/nodes/1", "/keys",
    "/audit", "/audit/3", "/settings", "/nowhere", "/analytics?range=7d", "/tokens", "/leaks", "/apis/orders/2.0.0/keys", "/apis/orders/2.0.0/settings", "/apis/orders/2.0.0/publish", "/apis/orders/2.0.0/reviews", "/apis/orders/2.0.0/revisions",
    "/apis/orders/2.0.0/compare", "/apis/orders/2.0.0/plans", "/apis/orders/2.0.0/plans/new", "/apis/orders/2.0.0/plans/standard",
    "/apis/orders/2.0.0/lint", "/apis/lint-rules", "/apis/orders/2.0.0/design", "/apis/orders/2.0.0/edit", "/apis/rates/4.1.0/write",
    "/subscriptions/1", "/people/registration", "/teams/1",
    "/applications/1/secrets/new", "/applications/1/keys/1/rotate", "/applications/1/client-keys/new",
)  # fmt: skip
DEVELOPER = (
    "/",
    "/catalog",
    "/catalog?q=orders",
    "/catalog?q=nothing-like-it",
    "/catalog/shipments/2.4.1",
    "/catalog/orders/1.0.0/operations",
    "/catalog/orders/1.0.0/operations/post-orders",
    "/catalog/orders/1.0.0/operations/get-orders-order-id",
    "/catalog/orders/1.0.0/schemas",
    "/catalog/orders/1.0.0/changes",
    "/subscriptions/1",
    "/catalog/orders/1.0.0/schemas/OrderPage",
    "/applications",
    "/applications/1",
    "/applications/1/logs",
    "/analytics",
    "/logs/why",
    "/people",
    "/tokens",
    "/leaks",
)
SIZES = {"wide": {"width": 1440, "height": 900}, "narrow": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def running(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("pages") / "home") as me:
        yield me


@pytest.fixture(scope="module")
def people(running: Installation) -> dict[str, dict[str, str]]:
    return {p["role"]: p for p in reversed(fill(running, "--rows", "4000")["people"])}


def sign_in(window, person: dict[str, str]) -> None:
    window.open("/login")
    window.fill(email=person["email"], password=person["password"])
    window.click("Sign in")


def look_at(window, paths: tuple[str, ...]) -> None:
    for path in paths:
        window.page.goto(window.console + path)
        # the browser itself reports an answer of 403 or 404, which these are meant to be
        window.complaints = [c for c in window.complaints if "403" not in c and "404" not in c]
        window.check()
        assert window.page.get_by_role("heading", level=1).count() == 1, path


@pytest.mark.parametrize(("size", "scheme"), [("wide", "light"), ("narrow", "dark")])
def test_an_admins_pages(window, people, size: str, scheme: str) -> None:
    admin = window(color_scheme=scheme, viewport=SIZES[size])
    sign_in(admin, people["admin"])
    look_at(admin, ADMIN)


@pytest.mark.parametrize(("size", "scheme"), [("wide", "dark"), ("narrow", "light")])
def test_a_developers_pages(window, people, size: str, scheme: str) -> None:
    developer = window(color_scheme=scheme, viewport=SIZES[size])
    sign_in(developer, people["developer"])
    look_at(developer, DEVELOPER)


def test_it_works_with_javascript_off(window, people) -> None:
    """Filters, paging, a record, a new application, a token, a subscription's decision: forms and links do it all."""
    admin = window(java_script_enabled=False)
    page = admin.page
    page.goto(admin.console + "/login")
    admin.fill(email=people["admin"]["email"], password=people["admin"]["password"])
    page.get_by_role("button", name="Sign in").click()
    # a week: whether a day of the demo's few calls has a refused one depends on the time of day
    page.goto(admin.console + "/logs?range=7d")
    page.locator("input[name=status][value='4xx']").check()
    page.get_by_role("button", name="Search").click()
    assert "status=4xx" in page.url
    page.goto(admin.console + "/logs?range=7d")
    page.get_by_role("link", name="Older").click()
    assert "before=" in page.url
    page.locator("td.l-path a").first.click()
    assert page.get_by_role("heading", level=1).count() == 1
    page.goto(admin.console + "/approvals")
    page.get_by_role("button", name="Approve Kvarn ERP for Rates 4.1.0").click()
    assert page.get_by_text("may call Rates 4.1.0 now").is_visible()


def test_search_as_you_type_keeps_focus_and_address(window, people) -> None:
    admin = window()
    sign_in(admin, people["admin"])
    admin.open("/apis")
    admin.page.get_by_placeholder("Name").press_sequentially("ship", delay=20)
    admin.page.wait_for_url("**/apis?q=ship*")
    assert admin.page.locator("tbody tr").count() == 2
    assert admin.page.evaluate("document.activeElement.name") == "q"
    admin.open("/logs")
    admin.page.get_by_role("link", name="/").first.click()
    admin.page.locator("tr.detail").wait_for()
    admin.check()


def test_everything_can_be_reached_by_keyboard(window, people) -> None:
    admin = window()
    sign_in(admin, people["admin"])
    admin.open("/apis/orders/2.0.0")
    seen = set()
    for _ in range(60):
        admin.page.keyboard.press("Tab")
        outline = admin.page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e === document.body ? '' : e.textContent.trim() || e.getAttribute('aria-label') || e.name || '', s.outlineStyle !== 'none' || s.boxShadow !== 'none'] })()"
        )
        seen.add(outline[0])
        assert outline[1] or outline[0] == "", outline  # focus is visible
    assert {"Deprecate", "More", "Document", "Settings"} <= seen
