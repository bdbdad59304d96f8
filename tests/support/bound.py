"""Keys bound to a tenant that hold a scope which such keys are no longer given: one may be left from before."""

from sqlalchemy import update

from trivet import db
from trivet.identity.models import ApiKey


def bound_headers(make_key, scope, tenant="bolt"):
    """Headers of a key of one tenant with this scope alone."""
    made = make_key(["read"], tenant)
    with db.transaction() as session:
        session.execute(
            update(ApiKey).where(ApiKey.name == "test", ApiKey.tenant_id.is_not(None)).values(scopes=[scope])
        )
    return {"Authorization": f"Bearer {made}"}
