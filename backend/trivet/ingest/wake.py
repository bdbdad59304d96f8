"""Guards are woken when something that they watch was committed: a hint over the broker, soon but not for each export.

The first hint leaves at once, those after it at most one in `PAUSE_S`, and the last one always. A thread of its own sends
them, so that no export waits for a broker; where the broker is away hints are dropped, and the guards' clock makes up for it.
"""

import logging
import threading
import time
from dataclasses import dataclass, field

from celery import Celery

from trivet.ingest import counters
from trivet.settings import get_settings

TASK, QUEUE = "guard.wake", "control"
PAUSE_S = 0.1
PAUSE_AWAY_S = 5.0  # after the broker did not take one
TIMEOUT_S = 1.0  # of anything that is asked of the broker
EXPIRES_S = 1.0  # a hint that waited for longer is no news: the clock has come
IDLE_S = 5.0  # a thread without hints ends after so long
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Bell:
    """Whether a hint waits, and whether a thread is there to send it."""

    rung: bool = False
    alive: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)


_bell = _Bell()


def tell() -> None:
    """Something that guards watch was committed. Never waits and never fails."""
    if not get_settings().broker_url:
        return
    with _bell.changed:
        _bell.rung = True
        if _bell.alive:
            _bell.changed.notify()
            return
        try:
            threading.Thread(target=_ring, name="guard-wake", daemon=True).start()
        except RuntimeError:  # the machine gives no thread: the clock has to do
            return
        _bell.alive = True


def _ring() -> None:
    """The thread's life: hint after hint until there has been none for `IDLE_S`."""
    app = sender(get_settings().broker_url)
    while _next():
        time.sleep(PAUSE_S if send(app) else PAUSE_AWAY_S)


def _next() -> bool:
    """Wait for a hint and take it; False where the thread is to end."""
    with _bell.changed:
        if not _bell.rung:
            _bell.changed.wait_for(lambda: _bell.rung, IDLE_S)
        _bell.alive = _bell.rung
        _bell.rung = False
        return _bell.alive


def sender(url: str) -> Celery:
    """An app that only sends, and gives up soon."""
    app = Celery("trivet-wake", broker=url, set_as_current=False)
    patience = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S, "max_retries": 0}
    app.conf.update(
        broker_transport_options=patience, broker_connection_timeout=TIMEOUT_S, broker_connection_retry=False
    )
    return app


def send(app: Celery) -> bool:
    """Send one hint; whether the broker took it."""
    try:
        app.send_task(TASK, queue=QUEUE, expires=EXPIRES_S, retry=False, ignore_result=True)
    except Exception as away:  # whatever it is, the clock makes up for it
        counters.wakes.labels("dropped").inc()
        _log.info("Guards could not be woken, their clock will do: %s", away)
        return False
    counters.wakes.labels("sent").inc()
    return True
