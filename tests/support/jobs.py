"""Jobs in tests: done here and now, by the tasks that a worker would run."""

from celery import current_app
from sqlalchemy import delete

from trivet import db, outbox, worker

assert worker.app  # the tasks are registered


def do_jobs() -> int:
    """Do what waits, one after another, until nothing is handed on; how many hand-offs there were."""
    count = 0
    while True:
        with db.transaction() as session:
            asked = delete(outbox.Outbox).returning(outbox.Outbox.id, outbox.Outbox.task, outbox.Outbox.args)
            rows = sorted(session.execute(asked).all())
        if not rows:
            return count
        for _, task, args in rows:
            current_app.tasks[task](*args)
        count += len(rows)
