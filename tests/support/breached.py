"""A breach out of real calls: one tenant is slow, the other is not."""

from sqlalchemy import select
from tests.support import commanding
from tests.support.calls import call, ingest
from tests.support.governed import at, register

from trivet import db
from trivet.guard import service
from trivet.guard.models import Breach


def p95():
    """Some minutes of quick calls; then globex's 90 stay quick and acme's 30 take 1.5 s: P95 breaks at 615 s."""
    register("chat")
    commanding.met("b1")
    quick = [call(at(60 * n), seconds=0.1, tenant=name) for n in range(9) for name in ("acme", *["globex"] * 3)]
    then = [call(at(613), seconds=0.1, tenant="globex") for _ in range(90)]
    slow = [call(at(613), seconds=1.5, tenant="acme", input_tokens=20_000) for _ in range(30)]
    ingest(*quick, *then, *slow, now=at(614))
    with db.transaction() as session:
        service.evaluate(session, at(615))
    with db.transaction() as session:
        found = session.scalars(select(Breach).order_by(Breach.id)).first()
    assert found is not None and found.guard == "p95"
    return found
