"""Everybody logs in at once, as after a deployment that dropped every session: creation dominates."""

from scenarios.steps import SessionUser, declare, weigh

PARAMETERS = {"logins": 8, "reads": 2, "pings": 0, "reconnects": 0}
declare(PARAMETERS)


class Newcomer(SessionUser):
    """Logs in again and again, each time under a new session id, and looks at the profile in between."""


weigh(Newcomer, login="logins", read="reads", ping="pings", reconnect="reconnects")
