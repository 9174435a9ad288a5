"""The editor in a real browser: an error at its line as one types, saving, the form beside it, and no text is lost."""

from __future__ import annotations

import re

import pytest
from conftest import ORDERS
from programs import Installation

from tests.browser.conftest import Watched

pytestmark = [pytest.mark.browser, pytest.mark.envoy]
PASSWORD = "walnut harbor linen 42"
PAGE = "/apis/orders/1.0.0"
TEXT = ORDERS.replace("servers:\n", "# where it runs\nservers:\n", 1)
VALUE = "ace.edit(document.querySelector('.ace-place')).getValue()"


def write(window, text: str) -> None:
    """As a person does who selects everything and pastes."""
    window.page.evaluate("text => ace.edit(document.querySelector('.ace-place')).setValue(text, -1)", text)


def put_cursor(window, line: int) -> None:
    window.page.evaluate(f"ace.edit(document.querySelector('.ace-place')).gotoLine({line}, 1e4, false)")
    window.page.evaluate("ace.edit(document.querySelector('.ace-place')).focus()")


def says(window, words: str) -> None:
    window.page.locator("[data-state]").get_by_text(words, exact=True).wait_for(timeout=5000)


@pytest.fixture(scope="module")
def admin(chromium, running: Installation):
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    window = Watched(context, running.console)
    link = re.search(rf"{running.console}/setup/\S+", running.said())[0]
    window.open(link.removeprefix(running.console))
    window.fill(name="Maren Kvist", email="maren@example.org", password=PASSWORD, again=PASSWORD)
    window.click("Create admin and sign in")
    window.open("/apis/new")
    window.page.get_by_label("Start from a blank document").check()
    window.fill(title="Orders", number="1.0.0", path="/orders")
    window.click("Start")
    window.page.locator(".ace-place").wait_for()
    yield window
    context.close()


def test_a_blank_document_opens_in_the_editor_and_is_good(admin) -> None:
    says(admin, "No problems")
    assert "# Orders: what it offers" in admin.page.evaluate(VALUE)
    assert admin.page.locator(".ace_comment").first.evaluate("e => getComputedStyle(e).fontStyle") == "italic"
    admin.check()


def test_an_error_stands_at_its_line_as_one_types_and_is_saved_when_mended(admin) -> None:
    write(admin, TEXT)
    says(admin, "No problems · not saved")
    line = TEXT[: TEXT.index("# where it runs")].count("\n") + 1
    put_cursor(admin, line)
    admin.page.keyboard.type("\n- broken")
    says(admin, "1 problem · not saved")
    marked = admin.page.locator(".ace_gutter-cell.ace_error, .ace_gutter-cell:has(.ace_error)")
    assert marked.first.inner_text().strip() == str(line + 1)
    assert admin.page.locator("[data-problems] a").count() == 1
    admin.check()
    for _ in "\n- broken":
        admin.page.keyboard.press("Backspace")
    says(admin, "No problems · not saved")
    admin.page.keyboard.press("Control+s")
    admin.page.get_by_text("The document is saved.").wait_for()
    says(admin, "No problems")
    assert admin.page.evaluate(VALUE) == TEXT
    assert admin.page.evaluate("ace.edit(document.querySelector('.ace-place')).getCursorPosition().row") == line - 1


def test_what_was_refused_is_still_there(admin) -> None:
    admin.open(f"{PAGE}/edit")
    bad = TEXT.replace("paths:\n", "paths: nothing\nx-paths:\n", 1)
    write(admin, bad)
    with admin.page.expect_response(lambda r: r.request.method == "POST" and r.url.endswith("/edit")) as answer:
        admin.page.get_by_role("button", name="Save", exact=True).click()
    assert answer.value.status == 422
    admin.page.locator(".ace-place").wait_for()
    assert admin.page.evaluate(VALUE) == bad
    admin.complaints = [c for c in admin.complaints if "422" not in c]
    write(admin, TEXT)
    says(admin, "No problems · not saved")
    admin.page.once("dialog", lambda dialog: dialog.accept())  # leaving with what is not saved asks
    admin.page.goto(admin.console + f"{PAGE}/edit")


def test_a_click_in_the_outline_goes_there(admin) -> None:
    admin.open(f"{PAGE}/edit")
    says(admin, "No problems")
    admin.page.locator("[data-outline] a", has_text="OrderPage").click()
    row = admin.page.evaluate("ace.edit(document.querySelector('.ace-place')).getCursorPosition().row")
    assert TEXT.splitlines()[row].strip() == "OrderPage:"


def test_the_keyboard_can_leave(admin) -> None:
    admin.open(f"{PAGE}/edit")
    says(admin, "No problems")
    put_cursor(admin, 1)
    inside = "document.activeElement.closest('.ace-place') !== null"
    admin.page.keyboard.press("Tab")
    assert admin.page.evaluate(inside)
    admin.page.keyboard.press("Control+z")
    admin.page.keyboard.press("Escape")
    admin.page.keyboard.press("Shift+Tab")
    assert not admin.page.evaluate(inside)


def test_the_form_adds_an_operation_and_the_comments_stay(admin) -> None:
    admin.open(f"{PAGE}/design/operations")
    admin.fill(path="/orders/{order_id}/lines", summary="List the lines of an order")
    admin.page.get_by_role("button", name="Add a parameter").click()
    admin.page.locator("[name='parameters-0-name']").fill("first")
    admin.page.locator("[name='parameters-1-name']").fill("second")
    admin.page.locator("[name='responses-0-schema']").fill("Line[]")
    admin.click("Add operation")
    assert admin.page.get_by_role("heading", level=2, name="GET /orders/{order_id}/lines").is_visible()
    admin.open(f"{PAGE}/edit")
    text = admin.page.evaluate(VALUE)
    assert "# where it runs" in text
    kept = [line for line in text.splitlines() if line in TEXT.splitlines()]
    assert kept == TEXT.splitlines() or len(kept) > len(TEXT.splitlines())
    assert "  /orders/{order_id}/lines:" in text.splitlines()


def test_enter_in_a_field_saves(admin) -> None:
    admin.open(f"{PAGE}/design/servers")
    rows = admin.page.locator("[data-row]").count()
    admin.page.locator("[name='items-0-description']").fill("The sample")
    admin.page.locator("[name='items-0-url']").press("Enter")
    admin.page.get_by_text("The document is saved.").wait_for()
    assert admin.page.locator("[data-row]").count() == rows
    admin.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_it_on_a_phone(admin, chromium, running: Installation, scheme: str) -> None:
    state = admin.page.context.storage_state()
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme, storage_state=state)
    window = Watched(context, running.console)
    for path in (
        "edit",
        "design",
        "design/servers",
        "design/operations?method=get&path=/orders",
        "design/schemas?name=Order",
    ):
        window.open(f"{PAGE}/{path}")
    context.close()
