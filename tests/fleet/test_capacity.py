"""What capacity costs, by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from trivet.fleet.capacity import Term, capacity_cost, stretches
from trivet.kit.interval import Interval

HOUR = datetime(2026, 11, 21, 7, tzinfo=UTC)
ONE = Interval(HOUR, HOUR + timedelta(hours=1))


def term(minutes, gpus, price, currency="USD"):
    return Term(HOUR + timedelta(minutes=minutes), gpus, Decimal(price), currency)


def cost(terms, interval):
    return capacity_cost(stretches(terms, interval))


class TestCapacityCost:
    def test_a_whole_hour_is_gpus_times_price(self):
        assert cost([term(-600, 8, "2.50")], ONE) == {"USD": Decimal(20)}

    def test_before_its_first_term_a_pool_costs_nothing(self):
        assert cost([term(60, 8, "2.50")], ONE) == {}
        assert cost([], ONE) == {}

    def test_a_pool_that_starts_within_the_hour_costs_its_part(self):
        assert cost([term(45, 4, "3")], ONE) == {"USD": Decimal(3)}

    def test_terms_that_change_within_the_hour_each_cost_their_part(self):
        # 20 min of 2 x 3 + 10 min of 4 x 3 + 30 min of 4 x 2 = 2 + 2 + 4
        terms = [term(30, 4, "2"), term(-60, 2, "3"), term(20, 4, "3")]
        assert cost(terms, ONE) == {"USD": Decimal(8)}

    def test_a_term_in_another_currency_is_another_amount(self):
        assert cost([term(0, 1, "3"), term(30, 1, "4", "EUR")], ONE) == {
            "USD": Decimal("1.5"),
            "EUR": Decimal(2),
        }

    def test_free_capacity_costs_nothing_and_is_there(self):
        assert cost([term(-60, 8, "0")], ONE) == {"USD": Decimal(0)}

    def test_no_gpus_are_no_capacity(self):
        assert cost([term(-60, 8, "2"), term(0, 0, "2")], ONE) == {}

    def test_thirds_are_rounded_once_to_a_pico(self):
        assert cost([term(40, 1, "1")], ONE) == {"USD": Decimal("0.333333333333")}
