"""The page of bills: the sentence, the picture and the table of one bill, its form, and who may use it."""

from datetime import date
from decimal import Decimal

import pytest
from tests.support.bills import a_company, as_csv, bring_in, entries, fresh, row, the_bill, three_days

from trivet.bill.telling import Told, days, sentence, shown
from trivet.console.money import bills_words as words
from trivet.console.money.bills_draw import BARS_MAX, HEAD, LEFT, RIGHT, ROW, draw
from trivet.console.tongue import speaking
from trivet.kit.money import plain

PARTS = {
    ("volume", "cache_write"): Decimal("5.90"),
    ("unexplained", ""): Decimal("0.23"),
}


def told(**changed):
    given = {
        "provider": "openai", "starts_on": date(2026, 10, 1), "ends_on": date(2026, 11, 1), "currency": "USD",
        "total": Decimal("1204.33"), "measured": Decimal("1198.20"), "parts": PARTS, "state": "matched",
    }  # fmt: skip
    return Told(**(given | changed))


class TestSentence:
    def test_it_says_what_is_so_and_why(self):
        assert sentence(told()) == (
            "OpenAI's bill of October 2026 is 1,204.33 USD; we measured 1,198.20; 0.5 % more: "
            "5.90 is cache writes we saw no tokens for, 0.23 unexplained."
        )

    def test_less_has_a_true_minus(self):
        parts = {("volume", "input"): Decimal("-2.50"), ("credit", ""): Decimal(-1)}
        assert sentence(told(total=Decimal("96.50"), measured=Decimal(100), parts=parts)).endswith(
            "3.5 % less: −2.50 is input that is not on the bill, −1.00 is credits and discounts."
        )

    def test_nothing_differs(self):
        assert sentence(told(total=Decimal(1), measured=Decimal(1), parts={})).endswith(
            "is 1.00 USD; that is what we measured, to the last digit."
        )

    def test_differences_that_cancel_are_told(self):
        parts = {("price", "input"): Decimal(1), ("credit", ""): Decimal(-1)}
        assert "the same, but: −1.00 is credits and discounts, 1.00 is another price of input than ours" in sentence(
            told(total=Decimal(5), measured=Decimal(5), parts=parts)
        )

    def test_more_than_three_causes_are_one_in_the_end(self):
        parts = {
            ("tax", ""): Decimal(4),
            ("fee", ""): Decimal(3),
            ("credit", ""): Decimal(-2),
            ("rounding", "input"): Decimal("0.01"),
            ("unexplained", ""): Decimal("0.02"),
        }
        assert sentence(told(parts=parts)).endswith("−2.00 is credits and discounts, 0.03 from 2 smaller causes.")

    def test_nothing_measured(self):
        assert "we measured nothing of it: 5.90 is" in sentence(told(measured=Decimal(0)))

    def test_tells_a_cause_once_that_does_not_name_the_kind_of_token(self):
        parts = {("unknown_model", "input"): Decimal(2), ("unknown_model", "output"): Decimal(3)}
        assert sentence(told(parts=parts)).endswith(": 5.00 is names that are no model of ours.")

    def test_no_rate(self):
        parts = {("no_rate", "input"): Decimal(3)}
        assert "is in a currency that no rate leads from: 3.00 is" in sentence(told(measured=Decimal(0), parts=parts))

    def test_compared_with_nothing(self):
        assert sentence(told(compared=False)).endswith("it is compared with nothing.")

    def test_no_bill_teaches(self):
        assert words.sentence(None, 0).startswith("No bill has been imported")

    def test_others_that_wait_are_counted(self):
        assert words.sentence(told(), 3).endswith(" 2 other bills wait to be posted.")
        assert words.sentence(told(state="posted"), 1).endswith(" 1 other bill waits to be posted.")

    @pytest.mark.parametrize(
        ("start", "end", "said"),
        [
            (date(2026, 10, 1), date(2026, 11, 1), "October 2026"),
            (date(2026, 12, 1), date(2027, 1, 1), "December 2026"),
            (date(2026, 10, 5), date(2026, 10, 6), "5 October 2026"),
            (date(2026, 10, 5), date(2026, 10, 9), "5 to 8 October 2026"),
            (date(2026, 10, 30), date(2026, 11, 2), "30 October 2026 to 1 November 2026"),
        ],
    )
    def test_days(self, start, end, said):
        assert days(start, end) == said

    def test_days_in_chinese(self):
        with speaking("zh"):
            assert words.days(date(2026, 10, 1), date(2026, 11, 1)) == "2026 年 10 月"
            assert words.days(date(2026, 10, 5), date(2026, 10, 9)) == "2026 年 10 月 5 至 8 日"
            assert words.days(date(2026, 10, 30), date(2026, 11, 2)) == "2026 年 10 月 30 日至 2026 年 11 月 1 日"

    @pytest.mark.parametrize(
        ("amount", "said"),
        [
            ("0", "0.00"),
            ("1234.567", "1,234.57"),
            ("0.00031", "0.00031"),
            ("-0.004", "−0.0040"),
            ("0.000000000001", "0.000000000001"),
        ],
    )
    def test_amounts_never_show_as_nothing_where_they_are_something(self, amount, said):
        assert shown(Decimal(amount)) == said


class TestPicture:
    def test_it_goes_from_what_was_measured_to_what_was_billed(self):
        """+6 then -2 of a span of 6: the first bar is whole, the second a third, back from its end."""
        picture = draw(Decimal(100), Decimal(104), [("tax", Decimal(6)), ("credit", Decimal(-2))], "USD", posted=False)
        wide = RIGHT - LEFT
        assert [(s.x, s.width, s.words, s.amount) for s in picture.steps] == [
            (LEFT, wide, "tax", "+6.000"),
            (round(LEFT + wide * 4 / 6, 2), round(wide * 2 / 6, 2), "credit", "−2.000"),
        ]
        assert [(m.x, m.words) for m in picture.marks] == [
            (LEFT, "measured 100.00"),
            (round(LEFT + wide * 4 / 6, 2), "billed 104.00"),
        ]
        assert picture.says == "Measured 100.00 USD; tax +6.000; credit −2.000; billed 104.00 USD."

    def test_solid_is_posted(self):
        for posted in (True, False):
            assert {
                s.solid for s in draw(Decimal(1), Decimal(2), [("tax", Decimal(1))], "USD", posted=posted).steps
            } == {posted}

    def test_the_smallest_causes_are_one_bar(self):
        causes = [(f"c{n}", Decimal(20 - n)) for n in range(12)]
        picture = draw(Decimal(0), sum(a for _, a in causes), causes, "USD", posted=True)
        assert len(picture.steps) == BARS_MAX + 1 and picture.steps[-1].words == "3 smaller causes"
        assert picture.height == HEAD + (BARS_MAX + 1) * ROW + 8

    def test_amounts_have_the_same_places_and_what_is_less_says_so(self):
        causes = [("fee", Decimal("4.9")), ("rounding", Decimal("0.000097")), ("tax", Decimal("-0.0000102"))]
        assert [s.amount for s in draw(Decimal(1), Decimal(6), causes, "USD", posted=True).steps] == [
            "+4.900", "<\N{NARROW NO-BREAK SPACE}0.001", ">\N{NARROW NO-BREAK SPACE}−0.001",
        ]  # fmt: skip

    def test_nothing_is_one_mark(self):
        picture = draw(Decimal(5), Decimal(5), [], "USD", posted=True)
        assert (picture.steps, len(picture.marks)) == ((), 1)


class TestCauses:
    def test_a_row_tells_each_cause_once_in_the_places_of_its_table(self):
        parts = [["volume", "input", "0.02"], ["volume", "output", "0.0151"], ["rounding", "input", "-0.000026"]]
        assert words.causes([*parts, ["tax", "", "-0.81"]], 3) == "tax −0.810; volume 0.035"

    def test_where_all_is_less_than_shows_the_largest_says_so(self):
        parts = [["rounding", "input", "0.00002"], ["day_boundary", "input", "0.0001"]]
        assert words.causes(parts, 3) == "day boundary <\N{NARROW NO-BREAK SPACE}0.001"
        assert words.causes([], 3) == ""


class TestPreview:
    def test_it_says_what_will_be_booked_and_who_bears_it(self):
        assert words.preview(told(), 3, "apart", "") == (
            "Books 3 days of differences, 6.13 USD in all, against the supply of OpenAI, which is then 1,204.33. "
            "They are kept apart: no cost centre bears them."
        )

    def test_a_closed_month_is_told(self):
        assert words.preview(told(), 1, "use", "October 2026").endswith(
            "October 2026 is closed, so its days are adjustments in the first open month."
        )


def token(client):
    return client.get("/bills").text.split('name="csrf_token" value="')[1].split('"')[0]


class TestPage:
    def test_without_a_bill_it_teaches_the_command(self, sign_in):
        client = sign_in("finance")
        page = client.get("/bills").text
        assert "trivet bill import october.csv" in page and 'name="file"' in page
        for address in ("999", "x", "²", "99999999999"):
            assert client.get(f"/bills?bill={address}").status_code == 404

    def test_it_shows_the_newest_that_waits_with_the_amounts_of_the_api(self, sign_in, database):
        a_company()
        three_days()
        client, bill = sign_in("finance"), bring_in(as_csv(the_bill()))[0]
        page = client.get("/bills").text
        assert "OpenAI&#39;s bill of 1 to 19 November 2026 is 8.59 USD; we measured 9.40; 8.6 % less:" in page.replace(
            "\xa0", " "
        )
        assert 'aria-label="Measured 9.40 USD; volume, input −2.500;' in page
        assert f'action="/bills/{bill.id}/names"' in page and "mystery" in page
        assert "guessed: the same without provider, region and date or version" in page
        found = client.get(f"/api/v1/bills/{bill.id}").json()
        for each in (found["total"], found["measured"], found["difference"], *(c["amount"] for c in found["causes"])):
            assert f'<data value="{plain(Decimal(each))}">' in page
        answer = client.get(f"/bills/{bill.id}", follow_redirects=False)  # the address that a close names
        assert answer.headers["location"] == f"/bills?bill={bill.id}"

    def test_who_may_only_look_finds_no_form_and_what_a_bill_says_is_text(self, sign_in, database):
        bring_in(as_csv([row(17, "1.25", "<script>alert(1)</script>", "Input Tokens", 1)]))
        page = sign_in("viewer").get("/bills").text
        assert "1.25 USD" in page.replace("\xa0", " ") and 'action="/bills' not in page
        assert "<script>alert" not in page and "&lt;script&gt;alert" in page


class TestForms:
    def test_a_file_is_imported_and_a_refusal_comes_back_on_the_page(self, sign_in):
        client = sign_in("finance")
        given = {"csrf_token": token(client)}
        answer = client.post("/bills", data=given, files={"file": ("what.csv", b"a,b\n1,2\n")})
        assert answer.status_code == 422 and "No format that we know has this header: a, b" in answer.text
        answer = client.post("/bills", data=given, files={"other": ("x", b"x")})
        assert answer.status_code == 422 and "Choose the file of the bill" in answer.text
        assert client.post("/bills", data={"csrf_token": "x"}, files={"file": ("a", b"x")}).status_code == 403
        answer = client.post("/bills", data=given, files={"file": ("november.csv", as_csv(the_bill()))})
        assert answer.status_code == 200 and "november.csv, 12 lines, invoice INV-11" in answer.text

    def test_a_name_is_told_and_the_bill_posted_as_the_form_says(self, sign_in, database):
        a_company()
        three_days()
        bill = bring_in(as_csv(the_bill()))[0]
        client = sign_in("finance")
        given = {"csrf_token": token(client), "name": "mystery", "model": "gpt-4o"}
        wrong = client.post(f"/bills/{bill.id}/names", data=given | {"model": "nope"})
        assert wrong.status_code == 404 and "No call was to a model nope" in wrong.text
        assert f'action="/bills/{bill.id}/names"' not in client.post(f"/bills/{bill.id}/names", data=given).text
        answer = client.post(f"/bills/{bill.id}/post", data={"csrf_token": given["csrf_token"], "spread": "use"})
        assert answer.status_code == 200 and "Post again" in answer.text
        assert (fresh(bill).state, fresh(bill).posted_by) == ("posted", "finance@example.com")
        assert entries(kind="bill")
        bring_in(as_csv(the_bill()[:-1]), replaces=bill.id)
        assert f'action="/bills/{bill.id}/post"' not in client.get(f"/bills?bill={bill.id}").text

    def test_others_and_other_sites_are_refused(self, sign_in):
        client = sign_in("sre")
        data = {"csrf_token": "x", "name": "x"}
        for path in ("/bills", "/bills/1/post", "/bills/1/names"):
            assert client.post(path, data=data).status_code == 403
            assert client.post(path, data=data, headers={"Origin": "https://elsewhere.example"}).status_code == 403
