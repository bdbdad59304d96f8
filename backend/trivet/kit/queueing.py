"""What a queue does under a load: how long calls wait, and how long a backlog lasts. Pure; times are in seconds.

`servers` is how many calls are worked on at once, `busy` the share of them that is: arrivals per second times the seconds
that one takes, over the servers. From 1 on, a queue grows without end.
"""

import math

NEVER = math.inf
TERMS_MAX = 10_000  # servers that the exact formula sums over


def erlang_c(servers: int, offered: float) -> float:
    """Share of calls that have to wait in M/M/c, exactly; `offered` is arrivals per second times service in seconds."""
    if offered <= 0:
        return 0.0
    if offered >= servers:
        return 1.0
    blocked = 1.0  # Erlang B by its recursion, which never overflows
    for number in range(1, min(servers, TERMS_MAX) + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def wait_quantile_s(servers: int, offered: float, service_s: float, q: float) -> float:
    """The wait that a share `q` of calls stays within, in M/M/c: those that wait at all wait exponentially long."""
    if offered >= servers:
        return NEVER if offered > 0 else 0.0
    waits = erlang_c(servers, offered)
    return math.log(waits / (1 - q)) * service_s / (servers - offered) if waits > 1 - q else 0.0


def drain_s(waiting: float, servers: float, busy: float, service_s: float) -> float:
    """How long a backlog takes to be worked off while calls go on to come."""
    spare = servers * (1 - busy) / service_s if service_s > 0 else NEVER
    if waiting <= 0:
        return 0.0
    return waiting / spare if spare > 0 else NEVER
