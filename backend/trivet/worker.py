"""The Celery app: two queues, a beat schedule collected from the contexts, and the outbox relay.

`control` carries guards, commands and the outbox; `work` all else. Every task is idempotent and opens its own
transaction. A scheduled message expires after its interval, so that a slow worker never piles them up.
"""

import ctypes
import importlib
import importlib.util
import signal
import sys
from typing import Any

from celery import Celery, shared_task
from celery.signals import worker_process_init

from trivet import CONTEXTS, db, outbox
from trivet.settings import get_settings

RELAY_ROUNDS = 20
PR_SET_PDEATHSIG = 1


def _task_modules() -> list[str]:
    return [m for c in CONTEXTS if importlib.util.find_spec(m := f"trivet.{c}.tasks")]


def _schedule(modules: list[str]) -> dict[str, dict[str, Any]]:
    wanted: dict[str, tuple[float, str]] = {"outbox.relay": (1.0, "control")}
    for name in modules:
        wanted |= getattr(importlib.import_module(name), "SCHEDULE", {})
    return {
        task: {"task": task, "schedule": every_s, "options": {"queue": queue, "expires": max(every_s, 1.0)}}
        for task, (every_s, queue) in wanted.items()
    }


def make_app() -> Celery:
    """The app on `TRIVET_BROKER_URL`."""
    modules = ["trivet.selfwatch", *_task_modules()]
    made = Celery("trivet", broker=get_settings().broker_url or None, include=["trivet.worker", *modules])
    made.conf.update(
        task_default_queue="work",
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=300,
        task_soft_time_limit=240,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": 600, "confirm_publish": True},
        beat_schedule=_schedule(modules),
        beat_max_loop_interval=1.0,
        timezone="UTC",
        enable_utc=True,
    )
    return made


@shared_task(name="outbox.relay")
def relay_outbox() -> int:
    """Publish what waits. Called by the clock, and by tasks that want their hand-off gone at once."""
    return relay_now()


def relay_now() -> int:
    """Publish what waits, in bounded rounds; the rows stay where the broker is away."""
    sent = 0
    for _ in range(RELAY_ROUNDS):
        with db.transaction() as session:
            count = outbox.relay(session, _publish)
        sent += count
        if count < outbox.RELAY_BATCH:
            break
    return sent


def _publish(task: str, args: list[Any], queue: str) -> None:
    app.send_task(task, args=args, queue=queue, retry=False)


@worker_process_init.connect
def _die_with_the_worker(**_: Any) -> None:
    """A pool process whose worker was killed would wait for work for ever: the kernel ends it with its parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


app = make_app()
