"""What an hour of each kind of pool costs, by hand."""

from datetime import UTC, datetime
from decimal import Decimal

from trivet.fleet.capacity import Running, Spread, Term
from trivet.fleet.cost import Energy, parts_of

HOUR = datetime(2026, 11, 20, 7, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


def owned(**running):
    # (260,000 - 44,000) over 30 months: 7,200 a month; November has 720 hours: 10 an hour
    return Term(
        NOVEMBER, 8, None, "USD", "owned", "H100", purchased=Spread(Decimal(216_000), 30, NOVEMBER),
        running=Running(**running) if running else None,
    )  # fmt: skip


class TestOwned:
    def test_amortisation_power_from_measured_energy_and_operations(self):
        # 8 cards, 20.16 MJ = 5.6 kWh; x PUE 1.25 x 0.20 = 1.40. Operations 1,440 a month / 720 = 2.
        term = owned(power_price_per_kwh=Decimal("0.20"), pue=Decimal("1.25"), operations_per_month=Decimal(1440))
        found = parts_of(term, HOUR, Energy(Decimal(20_160_000), 8))
        assert found.parts == {"amortisation": Decimal(10), "power": Decimal("1.4"), "operations": Decimal(2)}
        assert (found.per_hour, found.gaps) == (Decimal("13.4"), ())

    def test_cards_that_say_no_energy_take_their_declared_watts(self):
        # 6 cards said 4.2 kWh; 2 x 700 W = 1.4 kWh; 5.6 kWh x 0.20 = 1.12
        term = owned(power_price_per_kwh=Decimal("0.20"), watts_per_gpu=Decimal(700))
        assert parts_of(term, HOUR, Energy(Decimal(15_120_000), 6)).parts["power"] == Decimal("1.12")

    def test_without_a_reading_and_without_declared_watts_power_is_a_gap_that_is_named(self):
        found = parts_of(owned(power_price_per_kwh=Decimal("0.20")), HOUR, Energy(Decimal(15_120_000), 6))
        assert found.parts["power"] == Decimal("0.84")
        assert found.gaps == ("no energy of 2 of 8 GPUs, and no declared watts",)

    def test_after_the_last_month_the_cards_run_on_for_nothing(self):
        found = parts_of(owned(), datetime(2029, 5, 1, tzinfo=UTC))
        assert found.parts == {"amortisation": Decimal(0)}


class TestOthers:
    def test_a_commitment_is_spread_over_its_months(self):
        term = Term(NOVEMBER, 4, None, "USD", "reserved", "H100", purchased=Spread(Decimal(17_280), 12, NOVEMBER))
        assert parts_of(term, HOUR).parts == {"commitment": Decimal(2)}

    def test_provisioned_throughput_costs_its_units(self):
        term = Term(
            NOVEMBER, 0, None, "USD", "provisioned", units=3, price_per_unit_hour=Decimal("21.18"),
            work_per_unit_hour=Decimal(1_000_000),
        )  # fmt: skip
        assert parts_of(term, HOUR).parts == {"units": Decimal("63.54")}
        assert (term.size, term.work_per_hour) == (3, Decimal(3_000_000))

    def test_a_term_that_nobody_priced_has_a_gap_and_no_part(self):
        found = parts_of(Term(NOVEMBER, 4, None, "USD", "spot", "H100"), HOUR)
        assert (found.parts, found.gaps) == ({}, ("no price of a H100 hour, spot",))
