"""Files that are broken, tricky or far too large: refused by line and reason, and nothing of them is kept."""

import gzip
import io
import tempfile
import zlib
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select
from tests.support.bills import as_csv, bring_in, row, the_bill

from trivet import db
from trivet.bill.models import Bill, BillAlias, BillLine
from trivet.bill.read.table import Limits, open_table
from trivet.kit.errors import Invalid, TooLarge, TrivetError


def nothing_kept():
    with db.transaction() as session:
        return not any(session.scalar(select(func.count()).select_from(table)) for table in (Bill, BillLine, BillAlias))


def refused(data, said, error=Invalid, **given):
    with pytest.raises(error, match=said) as caught:
        bring_in(data, **given)
    assert nothing_kept()
    return caught.value.detail


def with_cell(column, value, at=1):
    rows = the_bill()[:3]
    rows[at] |= {column: value}
    return as_csv(rows)


@pytest.mark.usefixtures("database")
class TestCells:
    @pytest.mark.parametrize(
        ("column", "value", "said"),
        [
            ("BilledCost", "1,234.50", "line 3 '1,234.50' has thousands separators"),
            ("BilledCost", "1.234,50", "line 3 .* is no plain number"),
            ("BilledCost", "$1.00", "no plain number"),
            ("BilledCost", "(1.00)", "no plain number"),
            ("BilledCost", "NaN", "no plain number"),
            ("BilledCost", "Infinity", "no plain number"),
            ("BilledCost", "=1+1", "no plain number"),
            ("BilledCost", "١٢", "no plain number"),
            ("BilledCost", "1_000", "no plain number"),
            ("BilledCost", "1e999", "more than 15 digits"),
            ("BilledCost", "1e-99999", "smaller than any price"),
            ("BilledCost", "9" * 81, "at most 80 characters"),
            ("BilledCost", "", "has nothing in BilledCost"),
            ("ConsumedQuantity", "many", "no plain number"),
            ("BillingCurrency", "dollars", "no currency code"),
            ("ChargeCategory", "Gift", "is of the category 'Gift', which is none of adjustment"),
            ("ChargePeriodStart", "yesterday", "is no date such as 2026-10-31"),
            ("ChargePeriodStart", "2026-13-01", "is no date"),
            ("ChargePeriodEnd", "2062-11-18", "line 3 covers 131.. days, from 2026-11-17 to 2062-11-18"),
            ("ChargePeriodEnd", "2026-11-01", "line 3 ends on 2026-11-01, before it starts on 2026-11-17"),
            ("ChargePeriodStart", "0001-01-01T00:00:00+23:59", "is no(t a day| date)"),
            ("ChargePeriodStart", "9999-12-31T23:59:59Z", "is not a day from 2000"),
            ("x_Model", "m" * 257, "at most 256 characters"),
            ("x_Model", "m\0", "NUL"),
        ],
    )
    def test_a_bad_cell_is_named_by_its_line(self, column, value, said):
        refused(with_cell(column, value), said)

    def test_zero_may_have_any_exponent(self):
        assert bring_in(with_cell("BilledCost", "0E-6176"))[0].total == Decimal("3.00")

    def test_e_notation_is_a_number(self):
        assert bring_in(with_cell("BilledCost", "1.5E-3"))[0].total == Decimal("3.0015")

    def test_what_is_beyond_a_pico_is_rounded_once_a_line(self):
        assert bring_in(with_cell("BilledCost", "0.0000000000005"))[0].total == Decimal("3.000000000000")

    def test_a_formula_in_a_text_is_a_text(self):
        bring_in(with_cell("x_Model", '=cmd|"/c calc"!A1'))
        with db.transaction() as session:
            assert '=cmd|"/c calc"!A1' in session.scalars(select(BillAlias.name)).all()

    def test_json_that_is_none_tells_nothing(self):
        rows = [
            r | {"SkuPriceDetails": told}
            for r, told in zip(the_bill()[:3], ["{", "[" * 50_000, '{"ModelId": 3}'], strict=True)
        ]
        assert bring_in(as_csv(rows))[0].lines == 3

    def test_several_bad_rows_are_all_told(self):
        rows = [r | {"BilledCost": "x"} for r in the_bill()]
        said = refused(as_csv(rows), "12 rows cannot be read, so nothing was imported: line 2 'x'")
        assert "line 13 'x'" in said and "skip_bad" in said

    def test_more_than_a_thousand_bad_rows_stop_the_reading(self):
        refused(as_csv([row(17, "x")] * 1_200), "more than 1001 rows")

    def test_bad_rows_are_left_out_where_asked_and_told_on_the_bill(self):
        bill = bring_in(with_cell("BilledCost", "x"), skip_bad=True)[0]
        assert (bill.lines, bill.total) == (2, Decimal("3.00"))
        assert bill.left_out["bad_rows"]["rows"] == 1 and "line 3" in bill.left_out["bad_rows"]["shown"][0]


@pytest.mark.usefixtures("database")
class TestFiles:
    def test_an_unknown_header_says_what_was_found_and_what_is_needed(self):
        said = refused(
            b"Day,Thing,Price\n2026-11-17,x,1\n", "No format that we know has this header: Day, Thing, Price"
        )
        assert "openai" in said and "date, model, amount, currency" in said

    def test_a_format_told_wrongly_says_what_its_header_lacks(self):
        refused(
            as_csv(the_bill()), "The format openai needs start_time_iso or start_time; amount_value", format="openai"
        )

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"", "empty"),
            (b"\0" * 100, "empty"),
            (b"PK\x03\x04rest", "zip"),
            (b"PAR1 but no more", "Parquet file cannot be read"),
            (b"\x1f\x8b\x08 but no more", "gzip file is broken"),
            (b"\xff\xfe", "empty"),
            (b"\x89PNG\r\n\x1a\n" + b"\xfe" * 100, "not UTF-8"),
            (b'"never closed', "no CSV|No format"),
        ],
    )
    def test_what_is_no_bill_is_refused(self, data, said):
        refused(data, said, TrivetError)

    def test_a_gzip_cut_short_is_refused(self):
        refused(gzip.compress(as_csv(the_bill() * 50))[:-30], "gzip file is broken")

    def test_a_small_gzip_is_read_from_a_file_that_is_kept_in_memory(self):
        """As an upload is: such a file says that it is open for writing."""
        with tempfile.SpooledTemporaryFile(1 << 20) as kept:
            kept.write(gzip.compress(b"a,b\n1,2\n"))
            kept.seek(0)
            assert list(open_table(kept, Limits(1 << 20, 10)).rows) == [(1, ["a", "b"]), (2, ["1", "2"])]

    def test_services_are_parts_of_names_and_no_patterns(self):
        count = len(the_bill())
        refused(as_csv(the_bill()), f"None of its {count} lines is of a service", services="(((S+)+)+)$|(")
        assert bring_in(as_csv(the_bill()), services="(|openai api")[0].lines == count

    def test_a_column_that_counts_and_is_there_twice(self):
        lines = as_csv(the_bill()).decode().splitlines()
        doubled = [lines[0] + ",BilledCost", *(line + ",7" for line in lines[1:])]
        refused("\n".join(doubled).encode(), "has the column BilledCost twice")

    def test_a_long_text_costs_no_more_time_than_a_short_one(self):
        """Patterns take the square of it: only what a name may have is looked at."""
        rows = [{**the_bill()[0], "x_Model": "", "x_SkuMeterName": "a" * n + " Input Tokens"} for n in (200, 300)]
        bring_in(as_csv(rows))
        with db.transaction() as session:
            assert list(session.scalars(select(BillAlias.name))) == ["a" * 200]

    def test_only_a_header_bills_nothing(self):
        refused(as_csv(the_bill()).split(b"\n")[0], "The file bills nothing")

    def test_a_row_of_another_width_is_named(self):
        refused(as_csv(the_bill()[:2]) + b"1,2,3\n", "line 4 has 3 cells and the header 18")

    def test_a_latin_1_file_says_how_to_save_it(self):
        refused(with_cell("x_Model", "é").replace("é".encode(), b"\xe9"), "Save it as CSV UTF-8")

    def test_utf_16_and_a_byte_order_mark_and_other_separators_are_read(self):
        text = as_csv(the_bill()).decode()
        for n, data in enumerate((
            text.encode("utf-16"), b"\xef\xbb\xbf" + text.encode(), as_csv(the_bill(), ";"), as_csv(the_bill(), "\t"),
            text.replace("\n", "\r\n").encode(), gzip.compress(text.encode()),
        )):  # fmt: skip
            bill = bring_in(data, compared=False, provider=f"p{n}")[0]
            assert bill.total == Decimal("8.59")

    def test_only_line_ends_end_a_line_wherever_a_chunk_ends(self):
        """Unicode has more of them; a carriage return may be the last byte of a chunk, and its line feed the first."""
        rows = [row(17, "0.01", SkuId="a\u2028b\x0b\x85c" + "x" * (n % 7)) for n in range(900)]
        bill = bring_in(as_csv(rows).replace(b"\n", b"\r\n"))[0]
        assert (bill.lines, bill.total) == (900, Decimal("9.00"))

    def test_quoted_line_ends_do_not_shift_the_numbers(self):
        rows = [the_bill()[0] | {"SkuId": "a\nb"}, the_bill()[1], the_bill()[2] | {"BilledCost": "x"}]
        refused(as_csv(rows), "line 5 'x'")


@pytest.mark.usefixtures("database")
class TestSizes:
    def test_more_bytes_than_the_limit(self):
        refused(as_csv(the_bill()), "at most 100 bytes", limits=Limits(100, 1_000))

    def test_a_small_file_that_becomes_large(self):
        bomb = gzip.compress(as_csv(the_bill()) + b"," * 3_000_000)
        refused(bomb, "Decompressed, the file has more than", TooLarge, limits=Limits(len(bomb) + 1, 1_000))

    def test_a_bomb_without_line_ends_is_not_held(self):
        bomb = gzip.compress(b"x" * 30_000_000)
        refused(bomb, "does not end|more than", TrivetError, limits=Limits(10_000_000, 1_000))

    def test_more_rows_than_the_limit(self):
        refused(as_csv(the_bill() * 10), "more than 50 rows", TooLarge, limits=Limits(1 << 20, 50))

    def test_more_columns_than_the_limit(self):
        refused(b",".join([b"c"] * 1_001) + b"\n", "1001 columns", TooLarge)

    def test_a_parquet_that_says_it_has_too_many_rows(self):
        out = io.BytesIO()
        pq.write_table(pa.table({"a": [1] * 2_000}), out)
        refused(out.getvalue(), "2000 rows", TooLarge, limits=Limits(1 << 20, 50))

    def test_a_parquet_of_nested_depths_is_text(self):
        deep = {"a": {"b": {"c": [1]}}}
        out = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([{"deep": deep}]), out)
        refused(out.getvalue(), "No format")

    def test_a_column_of_ids_in_place_of_models(self):
        refused(
            as_csv([row(17, "1", f"m{n}", "Input Tokens") for n in range(2_001)]), "more than 2000 models", TooLarge
        )

    def test_a_file_of_many_currencies(self):
        rows = [row(17, "1", BillingCurrency=f"A{chr(65 + n)}{chr(65 + n)}") for n in range(21)]
        refused(as_csv(rows), "more than 20 providers and currencies")

    def test_damaged_deflate_data(self):
        whole = bytearray(gzip.compress(as_csv(the_bill() * 100)))
        whole[40:60] = b"\xff" * 20
        with pytest.raises((Invalid, zlib.error)) as caught:
            bring_in(bytes(whole))
        assert isinstance(caught.value, Invalid)
