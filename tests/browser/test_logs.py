"""The log page in a real browser: filters in place, the brush, kept searches, new calls as they come, an export."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from browser.test_pages import SIZES, sign_in
from programs import Installation, installation, wait_until
from test_node import fill

pytestmark = [pytest.mark.browser, pytest.mark.envoy]


@pytest.fixture(scope="module")
def running(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("logs") / "home") as me:
        yield me


@pytest.fixture(scope="module")
def people(running: Installation) -> dict[str, dict[str, str]]:
    return {p["role"]: p for p in reversed(fill(running, "--rows", "8000")["people"])}


@pytest.fixture
def admin(window, people):
    one = window(timezone_id="Europe/Oslo")
    sign_in(one, people["admin"])
    return one


def call(running: Installation, path: str) -> None:
    """Through the gateway; no API has that path."""
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(running.gateway + path, timeout=5)


def open_with(window, path: str, selector: str) -> None:
    """On a machine that is busy with something else a search may give up in time, and its page says so: it is asked again."""

    def there() -> bool:
        window.open(path)
        return window.page.locator(selector).count() > 0

    wait_until(there, 20)


def test_a_facet_narrows_and_keeps_its_place(admin) -> None:
    page = admin.page
    open_with(admin, "/logs?range=7d", "#facet-status input[value='5xx']")
    page.locator("#facet-status input[value='5xx']").check()
    page.wait_for_url("**/logs?*status=5xx*")
    page.locator(".chip", has_text="status:5xx").wait_for()
    assert set(page.locator("#rows .l-st").all_inner_texts()) <= {"500", "502", "503", "504"}
    assert page.locator("#facet-status input[value='2xx']").count() == 1, "the others can still be chosen"
    page.get_by_label("Search, in words or filters").press_sequentially("method:POST ", delay=20)
    page.locator(".chip", has_text="method:POST").first.wait_for()
    assert page.evaluate("document.activeElement.id") == "q"
    admin.check()


def test_a_time_is_chosen_on_the_chart(admin) -> None:
    page = admin.page
    admin.open("/logs?range=7d")
    chart = page.locator(".histogram svg.ch.desk")
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 42, steps=5)
    assert page.locator("rect.brush").count() == 1
    page.mouse.up()
    page.wait_for_url("**/logs?*since=*until=*")
    admin.check()
    assert "range" not in page.url
    page.locator(".histogram svg.ch.desk a").nth(20).click()
    page.wait_for_url("**/logs?*since=*until=*")
    assert page.locator("#since").input_value()


def test_a_search_is_kept_and_forgotten(admin) -> None:
    page = admin.page
    admin.open("/logs?status=5xx&range=7d")
    page.get_by_text("Keep this search").click()
    page.get_by_label("Name, for your team").fill("Failures")
    page.get_by_role("button", name="Keep search").click()
    page.get_by_text("Failures is kept for the team").wait_for()
    admin.open("/logs")
    page.get_by_role("link", name="Failures").click()
    page.wait_for_url("**/logs?status=5xx*")
    page.get_by_role("button", name="Forget the search Failures").click()
    page.get_by_text("Failures is no longer kept").wait_for()
    assert page.get_by_role("link", name="Failures").count() == 0


def test_new_calls_come_to_the_top(running: Installation, admin) -> None:
    page = admin.page
    admin.open("/logs")
    page.get_by_role("button", name="Live").click()
    call(running, "/nobody/1")
    page.locator("#rows tr:first-child", has_text="/nobody/1").wait_for(timeout=8000)
    page.locator("#rows tr:first-child a.row-link").click()
    page.locator("tr.detail").wait_for()
    call(running, "/nobody/2")
    page.locator(".tail-note").wait_for(timeout=8000)
    assert page.locator("#rows tr", has_text="/nobody/2").count() == 0, "nothing moves while one is read"
    page.locator(".tail-note").click()
    page.locator("#rows tr", has_text="/nobody/2").wait_for()
    page.get_by_role("button", name="Live").click()
    assert page.get_by_role("button", name="Live").get_attribute("aria-pressed") == "false"
    admin.check()


def test_an_export_is_a_file(admin) -> None:
    page = admin.page
    admin.open("/logs?status=5xx&range=30d")
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as got:
        page.get_by_role("link", name="NDJSON").click()
    lines = got.value.path().read_text().splitlines()
    assert lines
    assert all('"status":5' in line for line in lines)
    assert got.value.suggested_filename == "requests.ndjson"


def test_on_a_phone_the_filters_are_a_sheet(window, people) -> None:
    admin = window(viewport=SIZES["narrow"])
    sign_in(admin, people["admin"])
    admin.open("/logs?range=7d")
    admin.page.get_by_role("button", name="Filters").click()
    admin.page.locator("#facet-status input[value='4xx']").check()
    admin.page.get_by_role("button", name="Done").click()
    admin.page.locator(".chip", has_text="status:4xx").wait_for()
    admin.check()
