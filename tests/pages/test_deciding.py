"""Promotion and rollback from the page: with the token, after a confirmation, and on the record."""

from __future__ import annotations

import pytest
from harness.waiting import wait_until
from stock import MARKUP, TOKEN


@pytest.fixture(scope="module")
def deciding(copied, serve):
    """An API with an admin token over a store of this module's own."""
    return serve(copied(), UMBRA_ADMIN_TOKEN=TOKEN)


def ask(page, form, reason, token):
    page.fill(f"#{form}-reason", reason)
    page.fill(f"#{form}-actor", "Grace")
    page.fill(f"#{form}-token", token)
    page.locator(f'form[data-path$="/{form}"] button').click()


def log(page):
    return [row.inner_text() for row in page.get_by_role("table").get_by_role("row").all()][1:]


def test_without_a_token_there_is_no_form(site, visit):
    window = visit(site)
    window.open("/deployments")
    assert window.page.locator("form.decision").count() == 0
    assert "no admin token is configured" in window.page.inner_text("main")
    assert "first" in log(window.page)[0]


def test_what_is_missing_stands_at_its_field_and_nothing_is_sent(deciding, visit):
    window = visit(deciding)
    window.open("/deployments")
    sent = []
    window.page.on("request", lambda request: sent.append(request.method))
    ask(window.page, "promote", "", "")
    assert "Say why" in window.page.inner_text('form[data-path$="/promote"] [data-fault="reason"]')
    assert "admin token" in window.page.inner_text('form[data-path$="/promote"] [data-fault="token"]')
    assert "POST" not in sent


def test_a_wrong_token_is_refused(deciding, visit):
    window = visit(deciding)
    window.open("/deployments")
    ask(window.page, "promote", "it is better", "quite another token")
    window.page.get_by_role("button", name="Yes").click()
    window.page.get_by_text("The token is not the right one").wait_for()
    assert len(log(window.page)) == 1


def test_who_does_not_confirm_changes_nothing(deciding, visit):
    window = visit(deciding)
    window.open("/deployments")
    ask(window.page, "promote", "it is better", TOKEN)
    dialog = window.page.get_by_role("dialog")
    assert "Make gbm@1 live?" in dialog.inner_text()
    assert "It replaces linear@1" in dialog.inner_text()
    assert window.page.evaluate("document.activeElement.textContent") == "No, leave it"
    dialog.get_by_role("button", name="No, leave it").click()
    window.open("/deployments")
    assert len(log(window.page)) == 1


def test_a_candidate_without_evidence_is_refused_with_the_reasons(deciding, visit):
    window = visit(deciding)
    window.open("/deployments")
    window.page.select_option("#promote-candidate", "gbm@2")
    ask(window.page, "promote", "it is new", TOKEN)
    window.page.get_by_role("button", name="Yes").click()
    window.page.get_by_text("The evidence does not allow this promotion").wait_for()


def test_a_promotion_and_the_way_back_are_on_the_record(deciding, visit):
    window = visit(deciding)
    page = window.page
    window.open("/deployments")
    ask(page, "promote", MARKUP, TOKEN)
    with page.expect_navigation():
        page.get_by_role("button", name="Yes").click()
    assert page.inner_text("h1") == "gbm@1 is live"
    newest = log(page)[0]
    assert all(text in newest for text in ("promotion", "gbm@1", "Grace", "promote", MARKUP))
    assert page.evaluate("window.stung") is None
    assert TOKEN not in page.content()

    def served():
        window.open("/")
        return page.inner_text("h1") == "gbm@1"

    wait_until(served, 10)
    assert "by decision of Grace" in page.inner_text("main")
    assert page.evaluate("window.stung") is None
    window.open("/deployments")
    page.select_option("#rollback-to", "linear@1")
    ask(page, "rollback", "complaints", TOKEN)
    assert "Roll back to linear@1?" in page.get_by_role("dialog").inner_text()
    with page.expect_navigation():
        page.get_by_role("button", name="Yes").click()
    assert page.inner_text("h1") == "linear@1 is live"
    assert "rollback" in log(page)[0]
