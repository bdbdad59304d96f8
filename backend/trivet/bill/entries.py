"""What a compared bill posts: each day's difference, kept apart or spread over those who used the model. Pure.

    bill_variance  +(billed - measured)      supply.bill  -(billed - measured)

so that supply of the bill's days is what was billed. What was measured in another currency than the bill's is taken back in
its own, and the bill stands whole in its own: no two currencies are ever added.
"""

from collections.abc import Mapping
from decimal import Decimal

from trivet.bill.match import Row
from trivet.bill.measured import Users
from trivet.kit.money import EXACT, split
from trivet.ledger.posting import Entries, Line, User

METHOD = {"apart": "bill-apart-1", "use": "bill-use-1"}
_ZERO = Decimal(0)


def differences(row: Row, currency: str) -> dict[str, Decimal]:
    """What to post of a row, by currency."""
    found = {currency: row.billed}
    for own, amount in row.measured_in.items():
        found[own] = EXACT.subtract(found.get(own, _ZERO), amount)
    return {own: amount for own, amount in found.items() if amount}


def entries(rows: list[Row], currency: str, users: Users) -> Entries:
    """Entries of one day. Without users, or of capacity, a difference is kept apart."""
    target: Entries = {}
    for row in rows:
        _, model_id, pool_id, _ = row.target
        for own, amount in differences(row, currency).items():
            _add(target, Line("supply.bill", 0, 0, 0, model_id, pool_id, own), amount.copy_negate())
            weights = {} if pool_id else users.get((row.target[0], model_id), {})
            for line, share in _borne(model_id, pool_id, own, amount, weights).items():
                _add(target, line, share)
    return {line: amount for line, amount in target.items() if amount}


def _borne(
    model_id: int, pool_id: int, currency: str, amount: Decimal, weights: Mapping[tuple[int, User], Decimal]
) -> Entries:
    used = {key: weight for key, weight in sorted(weights.items()) if weight > 0}
    if not used:
        return {Line("bill_variance", 0, 0, 0, model_id, pool_id, currency): amount}
    return {
        Line("bill_variance", centre, user.tenant_id, user.scenario_id, model_id, 0, currency): share
        for (centre, user), share in split(amount, used).items()
    }


def _add(target: Entries, line: Line, amount: Decimal) -> None:
    target[line] = EXACT.add(target.get(line, _ZERO), amount)
