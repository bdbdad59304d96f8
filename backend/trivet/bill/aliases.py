"""Names on bills: which model or pool each is. Guessed by rule when first seen, said by people, audited."""

from collections.abc import Collection, Iterable

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from trivet.bill.models import Bill, BillAlias
from trivet.bill.names import guess
from trivet.bill.read.formats import provider_of
from trivet.fleet.models import Pool
from trivet.identity import audit
from trivet.kit.errors import Invalid, NotFound, TooLarge
from trivet.pricing.models import Model

GUESSED = "trivet"  # the author of a guess
NAMES_MAX = 2_000  # different names of models on one bill


def ids_of(session: Session, provider: str, names: Iterable[str]) -> dict[str, int]:
    """Id of each name on a provider's bills; a new one is kept, and nobody knows yet what it is."""
    wanted = sorted(set(names))
    if len(wanted) > NAMES_MAX:
        raise TooLarge(
            f"The bill names more than {NAMES_MAX} models; is that column one of ids or of texts?", field="file"
        )
    if not wanted:
        return {}
    rows = [{"provider": provider, "name": name, "author": GUESSED} for name in wanted]
    session.execute(insert(BillAlias).on_conflict_do_nothing(), rows)
    found = select(BillAlias.name, BillAlias.id).where(BillAlias.provider == provider, BillAlias.name.in_(wanted))
    return dict(session.execute(found).all())


def models_of(session: Session, measured_as: Collection[str]) -> dict[int, str]:
    """Models that spans name under any of a provider's names: id to name."""
    query = select(Model.id, Model.name).where(Model.provider.in_(measured_as), Model.id != 0).order_by(Model.id)
    return dict(session.execute(query).all())


def one_each(models: dict[int, str]) -> dict[int, int]:
    """Model id to the first one of the same name: a provider goes by several names in spans, its model is one."""
    first: dict[str, int] = {}
    return {model_id: first.setdefault(name, model_id) for model_id, name in sorted(models.items())}


def guess_again(session: Session, alias_ids: Collection[int], models: dict[int, str]) -> None:
    """Look once more for what nobody has said: models may have been seen since."""
    by_name: dict[str, int] = {}
    for model_id, name in models.items():
        by_name.setdefault(name, model_id)
    unsaid = select(BillAlias).where(BillAlias.id.in_(alias_ids), BillAlias.author == GUESSED)
    for alias in session.scalars(unsaid.where(BillAlias.pool_id.is_(None))):
        found = guess(alias.name, by_name)
        alias.model_id, alias.rule = (found.model_id, found.rule) if found else (None, "")
    session.flush()


def say(session: Session, *, provider: str, name: str, model: str | None, pool: str | None, actor: str) -> BillAlias:
    """A person says which model, or which pool, a name on a provider's bills is; neither: it is none of ours."""
    known = provider_of(provider)
    if model and pool:
        raise Invalid("A name is a model or a pool, not both.", field="pool")
    alias_id = ids_of(session, known.name, [name])[name]
    alias = session.scalars(select(BillAlias).where(BillAlias.id == alias_id).with_for_update()).one()
    before = _told(session, alias)
    alias.model_id = _model(session, known.measured_as, model) if model else None
    alias.pool_id = _pool(session, pool) if pool else None
    alias.rule, alias.author = "", actor
    session.flush()
    audit.record(
        session, actor=actor, action="bill_alias.say", subject=f"bill_alias:{known.name}:{name}",
        before=before, after=_told(session, alias),
    )  # fmt: skip
    return alias


def _told(session: Session, alias: BillAlias) -> dict[str, str | None]:
    model = session.get(Model, alias.model_id) if alias.model_id else None
    pool = session.get(Pool, alias.pool_id) if alias.pool_id else None
    return {"model": model.name if model else None, "pool": pool.name if pool else None, "rule": alias.rule}


def _model(session: Session, measured_as: Collection[str], name: str) -> int:
    found = session.scalars(
        select(Model.id).where(Model.name == name, Model.provider.in_(measured_as)).order_by(Model.id).limit(1)
    ).first()
    if found is None:
        raise NotFound(
            f"No call was to a model {name} of {', '.join(measured_as)}. Name it as its calls do: GET /api/v1/usage.",
            field="model",
        )
    return found


def _pool(session: Session, name: str) -> int:
    found = session.scalar(select(Pool.id).where(Pool.name == name))
    if found is None:
        raise NotFound(f"There is no pool {name}.", field="pool")
    return found


def mark(session: Session, provider: str) -> None:
    """Bills of a provider are compared anew: what a name on them is has changed."""
    session.execute(update(Bill).where(Bill.provider == provider, Bill.state != "replaced").values(seen_posting=-1))
