"""A price list entered by a worker: what was previewed, in one transaction with the job's last word."""

import hashlib
import io
from datetime import datetime

from sqlalchemy.orm import Session

from trivet import db
from trivet.job import api as jobs
from trivet.job import parts
from trivet.job.models import Job
from trivet.job.service import Came, Wanted
from trivet.job.work import Running
from trivet.kit.clock import rfc3339
from trivet.pricing.importing import litellm, service, telling
from trivet.pricing.importing.offer import PriceList

KIND, TASK, FILE = "prices", "pricing.import", "file"


def begin(session: Session, source: str, data: bytes, at: datetime, actor: str) -> Job:
    """Ask for it. A file that is no price list is refused now."""
    offered(session, source, data, at)
    params = {"source": source, "effective_from": rfc3339(at), "sha256": hashlib.sha256(data).hexdigest()}
    title = f"Prices of {source} from {at:%Y-%m-%d %H:%M} UTC"
    given = {FILE: io.BytesIO(data)} if data else {}
    return jobs.begun(session, Wanted(KIND, title, TASK, params, given=given, unit="prices"), actor)


def offered(session: Session, source: str, data: bytes, at: datetime) -> PriceList:
    """The list that a source offers: LiteLLM's file, or what came with this release."""
    return litellm.read(data) if source == "litellm" else service.genai_prices(session, at)


def run(running: Running) -> None:
    """Enter it."""
    claim = running.claim
    at = datetime.fromisoformat(claim.params["effective_from"])
    with parts.opened(claim.id, FILE) as file, db.transaction() as session:
        found = offered(session, claim.params["source"], file.read(), at)
        running.advance(0, len(found.offers))
        seen = service.enter(session, found, at, claim.actor)
        running.finish(session, Came(telling.summary(seen, applied=True), "/prices"))
