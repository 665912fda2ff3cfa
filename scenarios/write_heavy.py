"""As many writes as reads: YCSB's workload A, which its authors describe as a session store recording actions."""

from scenarios.steps import SessionUser, declare, weigh

PARAMETERS = {"reads": 1, "writes": 1, "pings": 0, "reconnects": 0}
declare(PARAMETERS)


class Writer(SessionUser):
    """Logs in once and stays."""


weigh(Writer, read="reads", write="writes", ping="pings", reconnect="reconnects")
