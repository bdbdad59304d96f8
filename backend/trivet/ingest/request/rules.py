"""The settings as the pure rules of `normalise`, made once a process."""

from functools import lru_cache

from trivet import db
from trivet.ingest.decode.wanted import Wanted
from trivet.ingest.request.normalise import Rules
from trivet.settings import get_settings

S_NS = 1_000_000_000


@lru_cache(maxsize=1)
def rules() -> tuple[Rules, Wanted]:
    """The rules, and what decoding must keep for them."""
    settings = get_settings()
    made = Rules(
        tenant_attributes=settings.tenant_attributes,
        scenario_attributes=settings.scenario_attributes,
        tokens_limit=settings.tokens_limit,
        future_limit_ns=settings.clock_skew_limit_s * S_NS,
        past_limit_ns=settings.late_limit_days * 86_400 * S_NS,
        hash_key=settings.secret_key.get_secret_value().encode(),
        end_users=settings.end_users,
    )
    return made, made.wanted


db.caches.append(rules.cache_clear)
