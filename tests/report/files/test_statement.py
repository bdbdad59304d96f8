"""Statements: what the page shows and the PDF prints is what costs say, and it stands still once the month is closed."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pypdf
import pytest
from tests.report.files.conftest import DECEMBER, close_november, late_request, text
from tests.support import books

from trivet import db
from trivet.budget.models import Budget, BudgetTerms
from trivet.kit.errors import Invalid, NotFound
from trivet.report.files import fonts, statement, statement_words
from trivet.report.files.statement_kept import Counted


@pytest.fixture
def november(morning):
    return read


def read(centre="CC-9", month="2026-11"):
    with db.transaction() as session:
        return statement.read(session, centre, month)


def keep():
    """What the clock does after a close; how many statements were kept."""
    with db.transaction() as session:
        return statement.keep(session, DECEMBER, 100)


def pdf_text(content):
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


class TestFigures:
    def test_lines_kinds_and_days_each_add_up_to_the_use(self, november):
        (section,) = november("CC-7").sections
        assert section.use == section.total == Decimal("4.166666666667")
        assert [(line.tenant, line.model, line.amount, line.tokens) for line in section.lines] == [
            ("acme", "gpt-4o", Decimal("3.5"), 1_100_000),
            ("acme", "small", Decimal("0.666666666667"), 3_000_000),
        ]
        assert sum(amount for _, amount in section.kinds) == section.use
        assert sum(day.amount for day in section.days) == section.use
        assert [day.start.day for day in section.days if day.amount] == [20]
        assert len(section.days) == 30

    def test_a_million_tokens_came_to(self, november):
        (section,) = november("CC-7").sections
        assert section.lines[1].per_million == Decimal("0.222222222222")

    def test_unattributed_has_a_statement_too_and_its_share_is_on_everybodys(self, november):
        (section,) = november("unattributed").sections
        assert section.use == Decimal("1.666666666666")
        (other,) = november("CC-9").sections
        assert other.unattributed_share == section.unattributed_share
        assert round(other.unattributed_share, 6) == Decimal("0.144928")

    def test_the_budget_of_the_month(self, november):
        with db.transaction() as session:
            row = Budget(
                name="b", scope="cost_centre", subject_id=0, measure="money", currency="USD", window="month", zone="UTC", created_by="t"
            )  # fmt: skip
            session.add(row)
            session.flush()
            session.add(
                BudgetTerms(
                    budget_id=row.id, effective_from=books.DAY - timedelta(days=60), limit=Decimal(10), lines=[], hard=False,
                    action="", way_back="", owners=[], unknown_price="open", unreachable="open", ended=False, author="t", reason="",
                )
            )  # fmt: skip
        (section,) = november("CC-9").sections
        assert section.budget == Decimal(10)
        assert "that is 17 % of its budget" in statement_words.sentence(november("CC-9"))

    def test_nobody_and_no_month_are_refused(self, november):
        with pytest.raises(NotFound, match="case-sensitive"):
            november("cc-9")
        for month in ("2026-13", "26-11", "2026-1", "november", "2026-11-01"):
            with pytest.raises(Invalid, match="such as 2026-10"):
                november("CC-9", month)


class TestTheClose:
    def test_a_closed_month_stands_still_and_what_comes_late_names_it_later(self, morning):
        close_november()
        keep()
        before = read()
        late_request()
        assert read() == before
        assert before.state == "closed"
        (section,) = read(month="2026-12").sections
        assert section.use == 0
        ((month, amount),) = section.adjustments
        assert month == "2026-11"
        assert amount == section.total != 0
        assert f"{statement_words.rounded(amount, 'USD')} of it adjusts November 2026" in statement_words.sentence(
            read(month="2026-12")
        )

    def test_the_pdf_of_a_closed_month_is_the_same_bytes_before_and_after(self, morning, made):
        close_november()
        keep()
        first = made("statement", "pdf", cost_centre="CC-9", month="2026-11")
        late_request()
        assert made("statement", "pdf", cost_centre="CC-9", month="2026-11") == first
        assert "As of the close of November 2026" in pdf_text(first)

    def test_a_costs_file_as_of_the_close_does_too(self, morning, made):
        close_november()
        first = made("costs", "csv", group_by="tenant", as_of="2026-11")
        late_request()
        assert made("costs", "csv", group_by="tenant", as_of="2026-11") == first
        assert made("costs", "csv", group_by="tenant") != first

    def test_in_focus_the_correction_keeps_the_day_of_use_and_is_billed_in_december(self, morning, made):
        import csv

        close_november()
        late_request()
        found = list(csv.DictReader(text(made("allocation", "focus.csv", grain="1h"))))
        late = [row for row in found if row["ChargeClass"] == "Correction"]
        assert late
        assert {row["ChargePeriodStart"] for row in late} == {"2026-11-20T07:00:00Z"}
        assert {row["BillingPeriodStart"] for row in late} == {"2026-12-01T00:00:00Z"}
        first = [row for row in found if row["ChargeClass"] == ""]
        assert sum(Decimal(row["EffectiveCost"]) for row in first) == Decimal("11.5")
        assert sum(Decimal(row["EffectiveCost"]) for row in late) == 0, "the pool costs the same, whoever used it"
        bolt = [Decimal(row["EffectiveCost"]) for row in late if row["x_Tenant"] == "bolt"]
        assert sum(bolt) == read(month="2026-12").sections[0].total

    def test_what_is_kept_is_kept_once_for_each_cost_centre(self, morning):
        assert keep() == 0, "nothing is closed"
        close_november()
        assert keep() == 3
        late_request()
        assert keep() == 0
        assert "as counted when the month was closed" in statement_words.notes(read())[-1]


class TestOneFigureEverywhere:
    def test_the_api_and_each_file_agree_to_the_last_pico(self, morning, made, client, admin):
        import csv

        import openpyxl

        exact = "1.666666666667"
        asked = {
            "from": "2026-11-01T00:00:00Z",
            "to": "2026-12-01T00:00:00Z",
            "cost_centre": "CC-9",
            "group_by": "tenant",
        }
        answer = client.get("/api/v1/costs", params=asked, headers=admin).json()
        month = statement.month_interval("2026-11")
        own = {"asked": {"cost_centre": ["CC-9"]}}
        (line,) = csv.DictReader(text(made("costs", "csv", month, group_by="tenant", **own)))
        book = openpyxl.load_workbook(io.BytesIO(made("costs", "xlsx", month, group_by="tenant", **own)))
        focus = csv.DictReader(text(made("allocation", "focus.csv", month, **own)))
        page = pdf_text(made("statement", "pdf", cost_centre="CC-9", month="2026-11"))
        assert answer["items"][0]["amount"] == line["amount"] == book["Costs"]["C2"].value == exact
        assert sum(Decimal(row["EffectiveCost"]) for row in focus) == Decimal(exact)
        assert read().sections[0].total == Decimal(exact)
        assert exact in page


class TestPdf:
    def test_the_same_statement_is_the_same_bytes(self, morning, made):
        """Of an open month they say when they were made; of a pair and the next, one was made at one time."""
        files = [made("statement", "pdf", cost_centre="CC-7", month="2026-11") for _ in range(3)]
        assert len(set(files)) < len(files)
        assert files[0].startswith(b"%PDF-")

    def test_has_the_sentence_the_tables_and_page_numbers(self, morning, made):
        page = pdf_text(made("statement", "pdf", cost_centre="CC-7", month="2026-11"))
        for words in ("CC-7 bore 4.17 USD in November 2026.", "3.500000000000", "By tenant and model, USD", "Page 1"):
            assert words in page

    @pytest.mark.parametrize(
        "name", ["成本中心甲", "カタカナ部", "한국어", "Łódź", "<b>&amp;", "a\nb", "\u202eabc", "😀", "x" * 256]
    )
    def test_prints_any_name(self, database, made, name):
        books.price("openai", "gpt-4o", input="2.50", output="10")
        books.tenants(**{name: name})
        books.ingest(books.metered(name, "07:05", input_tokens=1_000_000))
        books.rollup.fold()
        books.post()
        assert "2.500000000000" in pdf_text(made("statement", "pdf", cost_centre=name, month="2026-11"))


class TestFonts:
    @pytest.mark.parametrize(
        ("text", "runs"),
        [
            ("Café 7", [("Helvetica", "Café 7")]),
            ("成本 A", [("STSong-Light", "成本"), ("Helvetica", " A")]),
            ("カナ한", [("STSong-Light", "カナ"), ("HYGothic-Medium", "한")]),
            ("😀", [("Helvetica", "<U+1F600>")]),
            ("a\r\nb\t c", [("Helvetica", "a b c")]),
        ],
    )
    def test_each_part_has_one_that_draws_it(self, text, runs):
        assert list(fonts.runs(text)) == runs

    def test_markup_in_a_name_is_text(self):
        assert fonts.markup("<b>") == '<font name="Helvetica">&lt;b&gt;</font>'

    def test_a_long_name_is_cut(self):
        assert "".join(part for _, part in fonts.runs("x" * 300)) == "x" * 89 + "…"


class TestWords:
    @pytest.mark.parametrize(
        ("amount", "said"),
        [("0", "0.00 USD"), ("0.004", "less than 0.01 USD"), ("1234.5", "1,234.50 USD"), ("-3", "−3.00 USD")],
    )
    def test_an_amount_in_a_sentence(self, amount, said):
        assert statement_words.rounded(Decimal(amount), "USD") == said

    def test_an_amount_to_sign_has_every_digit(self):
        assert statement_words.signed(Decimal("-1234.5")) == "−1,234.500000000000"

    def test_against_the_month_before_and_why(self):
        section = statement.Section(
            "USD", Decimal(112), Decimal(0), Decimal(100), (), (), (), (), None,
            {"volume": Decimal(15), "price": Decimal(-3)}, None,
        )  # fmt: skip
        told = statement.Statement("CC", "2026-10", "closed", books.DAY, (section,), Counted())
        assert statement_words.sentence(told) == (
            "CC bore 112.00 USD in October 2026, its use 12 % more than the month before, most of that by the number of tokens."
        )

    def test_a_month_that_goes_on_is_held_against_the_same_days(self):
        november = statement.month_interval("2026-11")
        whole = statement.month_before(november, november.end)
        assert (whole.start.day, whole.end) == (1, november.start)
        running = statement.month_before(november, books.SEVEN)
        assert (running.start, running.end) == (
            datetime(2026, 10, 1, tzinfo=UTC),
            datetime(2026, 10, 20, 7, tzinfo=UTC),
        )
        march = statement.month_interval("2027-03")  # longer than the month before, of which all is taken then
        assert statement.month_before(march, march.end - timedelta(days=1)).end == march.start

    def test_and_says_so(self):
        section = statement.Section(
            "USD", Decimal(50), Decimal(0), Decimal(100), (), (), (), (), None, {"volume": Decimal(-50)}, None, True
        )  # fmt: skip
        told = statement.Statement("CC", "2026-11", "open", books.SEVEN, (section,), Counted())
        assert statement_words.sentence(told) == (
            "CC bore 50.00 USD in November 2026, its use 50 % less than the same days of the month before, "
            "most of that by the number of tokens."
        )

    def test_of_nothing(self):
        told = statement.Statement("CC", "2026-10", "open", books.DAY, (), Counted())
        assert statement_words.sentence(told) == "CC bore nothing in October 2026."
