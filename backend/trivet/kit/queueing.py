"""What a queue does under a load: how long calls wait, and how much longer they take. Pure; times are in seconds.

`servers` is how many calls are worked on at once, `utilisation` the share of them that is busy: arrivals per second times
the seconds that one takes, over the servers. From 1 on, a queue grows without end.
"""

import math

NEVER = math.inf
TERMS_MAX = 10_000  # servers that the exact formula sums over


def utilisation(arrivals_per_s: float, service_s: float, servers: float) -> float:
    """How full the servers are, 1 for all of the time; infinite where there is none and something comes."""
    offered = arrivals_per_s * service_s
    return offered / servers if servers > 0 else (NEVER if offered > 0 else 0.0)


def wait_s(servers: float, busy: float, service_s: float, *, variability: float = 1.0) -> float:
    """Mean wait of a call in front of `servers` that are `busy` (0 to 1) of the time: Sakasegawa's approximation.

    `variability` is the mean of the squared coefficients of variation of arrivals and service: 1 for M/M/c, for which this
    lies within 5 % of a call's own time, or 10 % of `erlang_wait_s`; a half for M/D/c.

    H. Sakasegawa, "An approximation formula L_q ≈ α·ρ^β/(1−ρ)", Annals of the Institute of Statistical Mathematics 29, 1977.
    """
    if busy <= 0:
        return 0.0
    if busy >= 1 or servers <= 0:
        return NEVER
    exponent: float = math.sqrt(2 * (servers + 1)) - 1
    queued: float = busy**exponent / (servers * (1 - busy))
    return variability * service_s * queued


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


def erlang_wait_s(servers: int, offered: float, service_s: float) -> float:
    """Mean wait in M/M/c, exactly."""
    return NEVER if offered >= servers else erlang_c(servers, offered) * service_s / (servers - offered)


def wait_quantile_s(servers: int, offered: float, service_s: float, q: float) -> float:
    """The wait that a share `q` of calls stays within, in M/M/c: those that wait at all wait exponentially long."""
    if offered >= servers:
        return NEVER if offered > 0 else 0.0
    waits = erlang_c(servers, offered)
    return math.log(waits / (1 - q)) * service_s / (servers - offered) if waits > 1 - q else 0.0


def sharing_s(busy: float, service_s: float) -> float:
    """How long a call takes where all calls share one server, as batches share an engine (M/G/1 processor sharing)."""
    return service_s / (1 - busy) if busy < 1 else NEVER


def drain_s(waiting: float, servers: float, busy: float, service_s: float) -> float:
    """How long a backlog takes to be worked off while calls go on to come."""
    spare = servers * (1 - busy) / service_s if service_s > 0 else NEVER
    if waiting <= 0:
        return 0.0
    return waiting / spare if spare > 0 else NEVER
