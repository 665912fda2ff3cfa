"""Reads with few writes, 95 to 5: YCSB's workload B, most sites' session traffic."""

from scenarios.steps import SessionUser, declare, weigh

PARAMETERS = {"reads": 95, "writes": 5, "pings": 0, "reconnects": 0}
declare(PARAMETERS)


class Reader(SessionUser):
    """Logs in once and stays."""


weigh(Reader, read="reads", write="writes", ping="pings", reconnect="reconnects")
