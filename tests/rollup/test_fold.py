"""Folding is adding: order, batches and grains change nothing."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.support.seeded import seeded

from trivet.ingest.models import COUNTS, DIMENSIONS, HISTOGRAMS
from trivet.kit import histogram
from trivet.rollup.fold import COLUMNS, fold, fold_gpu

START = datetime(2026, 11, 21, 7, 59, 50, tzinfo=UTC)


def row(seconds=0, tenant=1, currency="USD", latencies_us=(), **counts):
    named = dict.fromkeys(COUNTS, 0) | {"cost": Decimal(0), "score_total": 0.0} | counts
    bucket = START + timedelta(seconds=seconds)
    ids = dict.fromkeys(DIMENSIONS, 1) | {"tenant_id": tenant, "currency": currency}
    return (bucket, *ids.values(), *named.values(), histogram.of(latencies_us), b"", b"")


def named(folded):
    return [dict(zip(COLUMNS, each, strict=True)) for each in folded]


class TestFold:
    def test_rows_of_one_bucket_and_dimensions_add_up(self):
        (one,) = named(fold([row(requests=2, cost=Decimal("0.1")), row(requests=3, cost=Decimal("0.2"))], 10))
        assert one["requests"] == 5
        assert one["cost"] == Decimal("0.3")

    def test_the_minute_and_the_hour_are_where_the_bucket_lies(self):
        rows = [row(0, requests=1), row(10, requests=1), row(60, requests=1)]  # 7:59:50, 8:00:00, 8:00:50
        at = {g: [(each["bucket"], each["requests"]) for each in named(fold(rows, g))] for g in (60, 3600)}
        eight = datetime(2026, 11, 21, 8, tzinfo=UTC)
        assert at[60] == [(eight - timedelta(minutes=1), 1), (eight, 2)]
        assert at[3600] == [(eight - timedelta(hours=1), 1), (eight, 2)]

    def test_other_dimensions_are_other_rows_in_key_order(self):
        found = named(fold([row(tenant=2), row(tenant=1), row(tenant=1, currency="")], 10))
        assert [(each["tenant_id"], each["currency"]) for each in found] == [(1, ""), (1, "USD"), (2, "USD")]

    def test_histograms_merge(self):
        (one,) = named(fold([row(latencies_us=[1000, 1000]), row(latencies_us=[1000, 90_000])], 10))
        assert histogram.total(one["latency"]) == 4
        assert one["latency"] == histogram.of([1000, 1000, 1000, 90_000])

    def test_money_stays_exact_beyond_28_digits(self):
        big, pico = Decimal("99999999999999999999999999.000000000001"), Decimal("0.000000000001")
        (one,) = named(fold([row(cost=big), row(cost=pico), row(cost=big.copy_negate())], 10))
        assert one["cost"] == pico

    def test_nothing_folds_to_nothing(self):
        assert fold([], 10) == []


def some_rows(rng):
    return [
        row(
            rng.randrange(0, 7200, 10), rng.randrange(3), rng.choice(["", "USD", "EUR"]),
            [rng.randrange(10**7) for _ in range(rng.randrange(4))],
            requests=rng.randrange(9), cost=Decimal(rng.randrange(10**15)).scaleb(-12), input_tokens=rng.randrange(10**6),
        )
        for _ in range(rng.randrange(1, 60))
    ]  # fmt: skip


def test_order_and_batches_change_nothing():
    rng = seeded()
    for _ in range(50):
        rows = some_rows(rng)
        whole = fold(rows, 10)
        shuffled = rng.sample(rows, len(rows))
        cut = rng.randrange(len(rows) + 1)
        assert fold(shuffled, 10) == whole
        assert fold(fold(shuffled[:cut], 10) + fold(shuffled[cut:], 10), 10) == whole


def test_hours_folded_from_minutes_folded_from_seconds_are_hours_folded_at_once():
    rng = seeded()
    for _ in range(50):
        rows = some_rows(rng)
        assert fold(fold(fold(rows, 10), 60), 3600) == fold(rows, 3600)


def test_nothing_is_lost_at_any_grain():
    rng = seeded()
    rows = some_rows(rng)
    for grain_s in (10, 60, 3600):
        folded = named(fold(rows, grain_s))
        for name in COUNTS:
            assert sum(each[name] for each in folded) == sum(each[name] for each in named(rows))
        for name in HISTOGRAMS:
            parts = [sum(histogram.total(each[name]) for each in side) for side in (folded, named(rows))]
            assert parts[0] == parts[1]


class TestGpuReadings:
    def test_samples_and_totals_add_and_extremes_stay(self):
        rows = [(7, "utilisation", START, 2, 60.0, 20.0, 40.0), (7, "utilisation", START, 1, 90.0, 90.0, 90.0)]
        assert fold_gpu(rows, 10) == [(7, "utilisation", START, 3, 150.0, 20.0, 90.0)]

    def test_metrics_and_cards_stay_apart(self):
        rows = [
            (7, "power", START, 1, 1.0, 1.0, 1.0),
            (7, "memory", START, 1, 1.0, 1.0, 1.0),
            (6, "power", START, 1, 1.0, 1.0, 1.0),
        ]
        assert [each[:2] for each in fold_gpu(rows, 60)] == [(6, "power"), (7, "memory"), (7, "power")]
