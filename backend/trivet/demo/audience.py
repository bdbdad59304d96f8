"""Whether somebody watches: the story waits for that."""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.exc import SQLAlchemyError

from trivet import db
from trivet.identity.models import WebSession


def is_here(now: datetime) -> bool:
    """Whether anybody is signed in; a database that does not answer is asked again."""
    try:
        with db.transaction() as session:
            return bool(session.scalar(select(exists().where(WebSession.expires_at > now))))
    except SQLAlchemyError:
        return False
