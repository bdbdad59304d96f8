"""CSV and workbooks: the figures of the API, real numbers, and names that nothing runs."""

import csv
import io
from decimal import Decimal

import openpyxl
import pytest
from tests.report.files.conftest import text
from tests.support import books

from trivet.kit.clock import rfc3339
from trivet.kit.errors import Invalid, TooLarge
from trivet.kit.interval import Interval
from trivet.report.files import table

HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")', "＝1", "-5.0", "a\nb", 'a"b,c',
    "\u202eright to left", "مرحبا", "\U0001f600 smile", "成本中心甲", "カタカナ", "한국어", "x" * 256,
]  # fmt: skip


def rows(content):
    return list(csv.DictReader(text(content)))


def sheet(content, *, values=True):
    book = openpyxl.load_workbook(io.BytesIO(content), data_only=values)
    return book[book.sheetnames[0]], book["Read me"]


@pytest.fixture
def company_of(database):
    """The morning, of tenants and cost centres with these names."""

    def make(*names):
        books.price("openai", "gpt-4o", input="2.50", output="10")
        for n, name in enumerate(names):
            books.tenants(**{name: f"{name} of {n}"})
        books.ingest(*(books.metered(name, "07:05", input_tokens=100_000 + n) for n, name in enumerate(names)))
        books.rollup.fold()
        books.post()

    return make


class TestCosts:
    def test_csv_has_every_digit_of_the_api_in_the_same_order(self, made, morning, client, admin):
        asked = {"from": rfc3339(books.SEVEN), "to": rfc3339(books.EIGHT), "group_by": "cost_centre,tenant"}
        answer = client.get("/api/v1/costs", params=asked, headers=admin).json()
        found = rows(made("costs", "csv", group_by="cost_centre,tenant"))
        keys = ("cost_centre", "tenant", "amount", "list_amount", "provisional", "currency")
        assert [tuple(row[k] for k in keys) for row in found[:-1]] == [
            tuple(item[k] for k in keys) for item in answer["items"]
        ]
        assert sum(Decimal(row["amount"]) for row in found) == Decimal(answer["total"]["amount"]) == Decimal("11.5")

    def test_a_grain_cuts_the_same_sums_into_buckets(self, made, morning):
        days = Interval(books.DAY, books.DAY.replace(day=22))
        whole = rows(made("costs", "csv", days, group_by="tenant"))
        hours = rows(made("costs", "csv", days, group_by="tenant", grain="1h"))
        assert {row["bucket"] for row in hours} == {rfc3339(books.SEVEN)}
        assert [row["amount"] for row in hours] == [row["amount"] for row in whole]

    def test_what_is_kept_apart_is_named_in_every_grouping(self, made, morning):
        assert rows(made("costs", "csv", group_by="pool"))[-1]["pool"] == "h100: idle"
        assert rows(made("costs", "csv", group_by="model,pool"))[-1]["model"] == "idle"
        apart = rows(made("costs", "csv", group_by="pool,account"))[-1]
        assert (apart["pool"], apart["account"], apart["amount"]) == ("h100", "idle", "4.000000000000")

    def test_filters_are_those_of_the_api(self, made, morning):
        found = rows(made("costs", "csv", group_by="tenant", asked={"tenant": ["bolt"]}))
        assert [(row["tenant"], row["amount"]) for row in found] == [("bolt", "1.666666666667")]

    def test_what_cannot_be_asked_is_refused(self, made, morning):
        for wrong in ({"group_by": "colour"}, {"grain": "2h"}, {"basis": "guess"}, {"as_of": "soon"}):
            with pytest.raises(Invalid):
                made("costs", "csv", **wrong)
        with pytest.raises(Invalid, match=r"costs comes as csv, xlsx"):
            made("costs", "pdf")
        with pytest.raises(Invalid, match="one of costs, usage, statement, allocation, supply"):
            made("secrets", "csv")


class TestUsage:
    def test_csv_has_the_figures_of_the_api(self, made, morning, client, admin):
        asked = {"from": rfc3339(books.SEVEN), "to": rfc3339(books.EIGHT), "group_by": "tenant,model"}
        items = client.get("/api/v1/usage", params=asked, headers=admin).json()["items"]
        found = rows(made("usage", "csv", group_by="tenant,model"))
        assert len(found) == len(items) == 6
        for row, item in zip(found, items, strict=True):
            assert (row["tenant"], row["cost"]) == (item["tenant"], item["cost"]["amount"])
            assert int(row["input_tokens"]) == item["tokens"]["input"]
            assert float(row["latency_ms_p95"]) == item["latency_ms"]["p95"]


class TestWorkbook:
    def test_has_real_numbers_and_beside_them_the_exact_text(self, made, morning):
        page, _ = sheet(made("costs", "xlsx", group_by="cost_centre,tenant"))
        header = [cell.value for cell in page[1]]
        assert header[:4] == ["cost_centre", "tenant", "amount", "amount (exact)"]
        first = [cell.value for cell in page[2]]
        assert isinstance(first[2], float)
        assert first[:2] == ["CC-7", "acme"]
        assert first[3] == "4.166666666667"
        assert first[2] == pytest.approx(4.166666666667, abs=1e-12)
        assert page.freeze_panes == "A2"
        assert page["C2"].number_format == '#,##0.00######## "USD"'

    def test_sums_by_formula_with_the_value_a_reader_sees_and_the_exact_one(self, made, morning):
        content = made("costs", "xlsx", group_by="tenant")
        _, values = sheet(content)
        _, formulas = sheet(content, values=False)
        last = values.max_row
        assert [cell.value for cell in values[last]] == ["USD", 11.5, "11.500000000000"]
        assert formulas.cell(last, 2).value == "=SUMIF('Costs'!$H$2:$H$5,\"USD\",'Costs'!$B$2:$B$5)"

    def test_says_what_was_asked(self, made, morning):
        _, page = sheet(made("costs", "xlsx", group_by="tenant", asked={"tenant": ["acme", "=1+1"]}))
        said = {row[0].value: row[1].value for row in page.iter_rows()}
        assert said["From"] == "2026-11-20T07:00:00Z"
        assert said["To (exclusive)"] == "2026-11-20T08:00:00Z"
        assert said["Basis"] == "allocation"
        assert said["Posted until"] == "2026-11-20T08:00:00Z"
        assert said["Only tenant"] == "acme, =1+1"
        assert said["Generated"]

    def test_has_a_limit_that_says_what_to_do(self, made, morning, monkeypatch):
        monkeypatch.setattr("trivet.report.files.xlsx_file.ROWS_MAX", 3)
        with pytest.raises(TooLarge, match="take CSV"):
            made("costs", "xlsx", group_by="tenant")

    def test_of_nothing_is_a_workbook_too(self, made, database):
        page, _ = sheet(made("usage", "xlsx", group_by="tenant"))
        assert page.max_row == 1


class TestHostileNames:
    def test_no_spreadsheet_runs_them_in_csv(self, company_of, made):
        company_of(*HOSTILE)
        found = {row["tenant"] for row in rows(made("costs", "csv", group_by="tenant"))}
        assert found == {table.safe(name) for name in HOSTILE}
        assert not [name for name in found if name.startswith(table.RUNS)]

    def test_nor_in_a_workbook_and_amounts_stay_numbers(self, company_of, made):
        company_of(*HOSTILE)
        page, _ = sheet(made("costs", "xlsx", group_by="tenant"), values=False)
        names = [page.cell(row, 1) for row in range(2, page.max_row + 1)]
        assert {cell.data_type for cell in names} == {"s"}
        assert len(names) == len(HOSTILE)
        assert {page.cell(row, 2).data_type for row in range(2, page.max_row + 1)} == {"n"}

    def test_a_name_longer_than_a_cell_is_cut_and_says_so(self):
        cut = table.safe("=" + "x" * 40_000)
        assert cut.startswith("'=")
        assert cut.endswith("… (cut)")
        assert len(cut) < 32_767

    @pytest.mark.parametrize("name", ["acme", "a=b", "1-2", "", "成本"])
    def test_a_name_that_nothing_runs_stays_as_it_is(self, name):
        assert table.safe(name) == name
