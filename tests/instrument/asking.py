"""A locustfile for the known server: every user numbers its requests, so that each can be found again among the stamps.

The user's key is also the name of its requests, which the recorder keeps: its n-th row is the server's n-th stamp.
"""

from __future__ import annotations

import itertools
import secrets

from locust import FastHttpUser, constant, task

CHECKS = {"asked": [0, 0]}
"""As our scenarios count; here every answer, and none of them is wrong."""


class Asker(FastHttpUser):
    """Asks, and asks again."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Take a key that no user of another process has."""
        self.key = secrets.token_hex(4)
        self.numbers = itertools.count()
        self.environment.session_checks = CHECKS

    @task
    def ask(self) -> None:
        """Send the next number."""
        self.client.get(f"/{self.key}/{next(self.numbers)}", name=self.key)
        CHECKS["asked"][0] += 1
