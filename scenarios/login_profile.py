"""Log in, read the profile many times, now and then write to it, log out: a visitor of a web application."""

from scenarios.steps import SessionUser, declare, weigh

PARAMETERS = {"reads": 16, "writes": 2, "logouts": 1, "pings": 0, "reconnects": 0}
declare(PARAMETERS)


class Visitor(SessionUser):
    """Stays for about ten requests a session with the default weights."""


weigh(Visitor, read="reads", write="writes", logout="logouts", ping="pings", reconnect="reconnects")
