"""What a file says is what the database held: every kind of value, in as many files as it takes, with names beside ids."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import fsspec
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text
from tests.support import books
from tests.support.calls import call, ingest

from trivet import db
from trivet.archive import days, parquet, service
from trivet.archive.columns import columns_of
from trivet.archive.place import Place, without_password
from trivet.archive.tables import BY_NAME, DAY_TABLES
from trivet.kit.errors import Unavailable

pytestmark = pytest.mark.usefixtures("database")

AT = datetime(2026, 11, 20, 7, 0, 0, 123456, UTC)
DAY = date(2026, 11, 20)
WEIRD = 'a "quoted" line,\r\n another; 退 \\N \t|'


def write(url, table="request"):
    service._write(BY_NAME[table], DAY, AT, str(url))
    place = Place(str(url))
    rows = []
    for path in place.parts(table, DAY):
        with place.open(path) as file:
            rows += pq.read_table(file).to_pylist()
    return rows


class TestARequest:
    def test_reads_alone_with_names_beside_ids_and_exact_money(self, tmp_path):
        books.price("openai", "gpt-4o", input="2.50", output="10")
        fact = call(
            AT, seconds=2.5, ttft_ms=250, tenant="acme", scenario="chat", backend="gw", pool="", output_tokens=3,
            input_tokens=7, trace_id=bytes(range(16)), span_id=b"\xff" + bytes(6) + b"\x01", parent_id=b"\x00" * 7 + b"\x0a",
            conversation_id=WEIRD, finish_reason="", response_id=None, prompt_hash=b"\x00\xff", blocks=("b1", "b,2"),
        )  # fmt: skip
        ingest(fact)
        [row] = write(tmp_path)
        assert (row["tenant"], row["scenario"], row["backend"], row["pool"]) == ("acme", "chat", "gw", None)
        assert (row["provider"], row["model"], row["currency"]) == ("openai", "gpt-4o", "USD")
        assert (row["cost_picos"], row["cost"]) == (47_500_000, Decimal("0.000047500000"))
        assert (row["started_at"], row["ended_at"]) == (AT - timedelta(seconds=2.5), AT)
        assert (row["trace_id"], row["span_id"]) == (bytes(range(16)).hex(), "ff00000000000001")
        assert (row["parent_span_id"], row["prompt_hash"]) == ("000000000000000a", "00ff")
        assert (row["conversation_id"], row["finish_reason"], row["response_id"]) == (WEIRD, "", None)
        assert (row["outcome"], row["streamed"], row["ttft_us"], row["output_tokens"]) == ("ok", True, 250_000, 3)
        [blocks] = write(tmp_path, "prompt_blocks")
        assert (blocks["blocks"], blocks["tenant"]) == ('["b1","b,2"]', "acme")

    def test_without_a_price_has_no_cost_and_no_currency(self, tmp_path):
        ingest(call(AT, model="nobody-knows", provider="x", input_tokens=1))
        [row] = write(tmp_path)
        assert (row["cost_picos"], row["cost"], row["currency"]) == (None, None, None)

    def test_every_column_of_every_table_is_in_its_file(self):
        with db.transaction() as session:
            for table in DAY_TABLES:
                columns, joins = columns_of(session, table.name)
                chosen = ", ".join(column.sql for column in columns)
                session.execute(text(f"SELECT {chosen} FROM {table.name} r {' '.join(joins)} LIMIT 1"))
                names = [column.name for column in columns]
                found = session.scalars(
                    text("SELECT column_name FROM information_schema.columns WHERE table_name = :name"),
                    {"name": table.name},
                )
                assert set(found) <= set(names)
                assert len(names) == len(set(names)), "two columns of one name"

    def test_a_signal_says_its_metric_and_whose_it_is(self):
        with db.transaction() as session:
            columns, _ = columns_of(session, "signal_sample")
        names = {column.name for column in columns}
        assert {"metric", "detail", "tenant", "scenario", "provider", "model", "backend", "pool"} <= names


class TestALargeDay:
    def test_is_written_in_parts_of_groups_and_nothing_is_missing(self, tmp_path, monkeypatch):
        monkeypatch.setattr(parquet, "BLOCK_BYTES", 4_000)
        monkeypatch.setattr(parquet, "GROUP_ROWS", 50)
        monkeypatch.setattr(parquet, "PART_ROWS", 200)
        calls = [call(AT + timedelta(milliseconds=n), input_tokens=n, conversation_id=WEIRD) for n in range(1_000)]
        ingest(*calls)
        rows = write(tmp_path)
        assert sorted(row["input_tokens"] for row in rows) == list(range(1_000))
        assert {row["conversation_id"] for row in rows} == {WEIRD}
        parts = Place(str(tmp_path)).parts("request", DAY)
        assert 3 <= len(parts) <= 5
        assert all(pq.ParquetFile(path).num_row_groups > 1 for path in parts)

    def test_written_again_with_fewer_rows_leaves_no_part_of_before(self, tmp_path, monkeypatch):
        monkeypatch.setattr(parquet, "GROUP_ROWS", 10)
        monkeypatch.setattr(parquet, "PART_ROWS", 10)
        monkeypatch.setattr(parquet, "BLOCK_BYTES", 1)
        ingest(*(call(AT + timedelta(seconds=n)) for n in range(40)))
        assert len(write(tmp_path)) == 40
        with db.transaction() as session:
            session.execute(text("DELETE FROM request WHERE ended_at > :at"), {"at": AT + timedelta(seconds=4)})
        assert len(write(tmp_path)) == 5
        assert [p.name for p in sorted((tmp_path / "request").rglob("*.parquet"))] == ["part-0.parquet"]

    def test_without_a_row_makes_no_file(self, tmp_path):
        ingest(call(AT))
        with db.transaction() as session:
            session.execute(text("DELETE FROM request"))
        assert write(tmp_path) == []
        assert list(tmp_path.rglob("*.parquet")) == []
        with db.transaction() as session:
            assert days.row(session, BY_NAME["request"], DAY).written_at == AT


class TestAPlace:
    def test_may_be_any_file_system_of_fsspec(self):
        ingest(call(AT, input_tokens=5))
        [row] = write("memory://archive-of-a-test")
        assert row["input_tokens"] == 5
        paths = fsspec.filesystem("memory").glob("/archive-of-a-test/**/*.parquet")
        assert paths == ["/archive-of-a-test/request/day=2026-11-20/part-0.parquet"]

    def test_a_flipped_byte_is_found_when_it_is_read_back(self, tmp_path):
        ingest(*(call(AT + timedelta(milliseconds=n), input_tokens=n) for n in range(500)))
        write(tmp_path)
        [path] = (tmp_path / "request").rglob("*.parquet")
        content = bytearray(path.read_bytes())
        content[len(content) // 4] ^= 1
        path.write_bytes(content)
        with pytest.raises(OSError, match=r"(?i)checksum|corrupt|crc"):
            parquet.read_back(Place(str(tmp_path)), [str(path)], "cost_picos")

    def test_is_an_absolute_path_or_an_address(self):
        with pytest.raises(Unavailable, match="absolute path"):
            Place("archive")

    def test_says_where_it_is_without_a_password(self):
        place = Place("memory://archive")
        assert place.url("request", DAY) == "memory:///archive/request/day=2026-11-20"
        assert without_password("sftp://ann:secret@store/archive") == "sftp://store/archive"
