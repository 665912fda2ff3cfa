"""Sessions from 100 B to 100 kB, request names by size: what a payload costs, and where a cookie ends."""

from __future__ import annotations

import itertools

from locust import events

from scenarios.steps import SessionUser, declare, weigh

PARAMETERS = {"sizes": "100,1000,2000,2500,3000,4000,10000,100000", "reads": 8, "writes": 2, "logouts": 1}
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


@events.init.add_listener
def _take_sizes(environment, **_):  # noqa: ANN001, ANN003, ANN202 - Locust's listeners are untyped
    text = environment.parsed_options.sizes
    try:
        sizes = [int(size) for size in text.split(",")]
    except ValueError:
        raise SystemExit(f"--sizes takes whole numbers of bytes with commas between them, not {text!r}") from None
    Hoarder.sizes = itertools.cycle(sizes)
