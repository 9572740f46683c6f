"""The form of /try asks the routes that everybody asks, and shows what they say."""

from __future__ import annotations

import csv
import io
import json

from harness.waiting import wait_until
from stock import CANDIDATE, answer_of

from model_package.schema import EXAMPLE


def test_a_house_is_priced_and_the_candidates_answer_comes_after(site, visit):
    window = visit(site)
    page = window.page
    window.open("/try")
    page.fill("#field-living_area", "1500")
    page.get_by_role("button", name="Ask for the price").click()
    page.get_by_text("$150,000").wait_for()
    assert page.get_by_text("Live: linear@1").is_visible()
    wait_until(lambda: answer_of(site.settings, CANDIDATE, 1.1), 10)
    page.get_by_text("$165,000").wait_for()
    assert page.get_by_text("+10.0 % against live").is_visible()


def test_what_is_wrong_stands_at_its_field(site, visit):
    window = visit(site)
    page = window.page
    window.open("/try")
    page.fill("#field-living_area", "5")
    page.fill("#field-rooms", "6.5")
    page.fill("#field-full_baths", "")
    page.get_by_role("button", name="Ask for the price").click()
    page.get_by_text("3 fields are not right.").wait_for()
    assert "from 100 to 20000" in page.inner_text("#fault-living_area")
    for name in ("living_area", "rooms", "full_baths"):
        assert page.get_attribute(f"#field-{name}", "aria-invalid") == "true"
        assert f"fault-{name}" in (page.get_attribute(f"#field-{name}", "aria-describedby") or "")
    assert page.evaluate("document.activeElement.id") in ("field-living_area", "field-full_baths")
    page.get_by_role("button", name="The example house").click()
    assert page.inner_text("#fault-living_area") == ""
    page.get_by_role("button", name="Ask for the price").click()
    page.get_by_text("$135,000").wait_for()


def test_an_empty_field_that_may_be_is_null(site, visit):
    window = visit(site)
    page = window.page
    window.open("/try")
    page.fill("#field-lot_frontage", "")
    page.select_option("#field-basement_quality", label="not known")
    with page.expect_request("**/v1/predictions") as request:
        page.get_by_role("button", name="Ask for the price").click()
    sent = json.loads(request.value.post_data or "")
    assert sent == {**EXAMPLE, "lot_frontage": None, "basement_quality": None}
    page.get_by_text("$135,000").wait_for()


def test_a_house_of_the_store_can_be_asked_again(site, stocked, visit):
    window = visit(site)
    window.open("/candidates/gbm@1")
    window.page.get_by_role("link", name="Ask again").first.click()
    window.page.get_by_text("This is the house of prediction").wait_for()
    identifier = window.page.url.rsplit("=", 1)[1]
    inputs = json.loads(site.get(f"/v1/predictions/{identifier}")[1])["inputs"]
    values = window.page.eval_on_selector_all(
        "#house [name]", "all => Object.fromEntries(all.map(one => [one.name, one.value]))"
    )
    as_text = {name: "" if value is None else value for name, value in inputs.items()}
    assert {name: type(as_text[name])(value) for name, value in values.items()} == as_text


def test_a_prediction_that_is_not_there_leaves_the_example(site, visit):
    window = visit(site)
    assert window.open("/try?prediction=0198c0de-7a11-7000-8000-0123456789ab") == 200
    assert "this is the example house" in window.page.inner_text("main")
    assert window.page.input_value("#field-living_area") == "1350"


def test_a_file_of_houses_comes_back_priced(site, visit, tmp_path):
    window = visit(site)
    page = window.page
    window.open("/try")
    with page.expect_download() as sample:
        page.get_by_role("button", name="Download one to start from").click()
    sample_text = sample.value.path().read_text()
    houses = tmp_path / "my houses.csv"
    head, row = sample_text.splitlines()
    houses.write_text("\r\n".join([head, row, row.replace(",1350,", ",2000,")]))
    page.set_input_files("#file", houses)
    page.get_by_role("button", name="Ask for all prices").click()
    page.get_by_text("2 prices from linear@1").wait_for()
    with page.expect_download() as answer:
        page.get_by_role("link", name="Download my houses-prices.csv").click()
    assert answer.value.suggested_filename == "my houses-prices.csv"
    answers = list(csv.DictReader(io.StringIO(answer.value.path().read_text())))
    assert [float(row["price_dollars"]) for row in answers] == [135_000, 200_000]


def test_a_file_that_cannot_be_priced_says_where(site, visit, tmp_path):
    window = visit(site)
    page = window.page
    houses = tmp_path / "houses.csv"
    houses.write_text("living_area,colour\r\n1350,<b>red</b>\r\n")
    window.open("/try")
    page.get_by_role("button", name="Ask for all prices").click()
    page.get_by_text("Choose a file first.").wait_for()
    page.set_input_files("#file", houses)
    page.get_by_role("button", name="Ask for all prices").click()
    page.get_by_text("colour").wait_for()
    assert page.locator("#batch-fault b").count() == 0
