"""Sessions from 100 B to 100 kB, request names by size: what a payload costs, and where a cookie ends."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from locust import events

from scenarios.steps import SessionUser, declare, give_up, weigh

if TYPE_CHECKING:
    from locust.env import Environment

PARAMETERS: dict[str, int | str] = {
    "sizes": "100,1000,2000,2500,3000,4000,10000,100000",
    "reads": 8,
    "writes": 2,
    "logouts": 1,
}
declare(PARAMETERS)


class Hoarder(SessionUser):
    """Takes the next payload size at every login; a size that the backend refuses (413) is a planned answer."""

    sizes = itertools.cycle([1000])

    def login(self) -> None:
        """Log in with the next size."""
        self.payload_bytes = next(self.sizes)
        self.label = f"{self.payload_bytes} B"
        super().login()


weigh(Hoarder, read="reads", write="writes", logout="logouts")


@events.test_start.add_listener
def _take_sizes(environment: Environment, **_: Any) -> None:
    options: Any = environment.parsed_options
    text = options.sizes
    try:
        Hoarder.sizes = itertools.cycle([int(size) for size in text.split(",")])
    except ValueError:
        give_up(environment, f"sizes takes whole numbers of bytes with commas between them, not {text!r}.")
