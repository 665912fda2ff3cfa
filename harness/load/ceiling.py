"""The least that a Locust user can do: what `doctor` loads to find the generator's own ceiling."""

from locust import FastHttpUser, constant, task


class Ceiling(FastHttpUser):
    """Asks for a fixed answer as fast as it comes."""

    wait_time = constant(0)

    @task
    def ask(self) -> None:
        """Send one request and look at its status, as a scenario's step does."""
        with self.client.get("/ping", catch_response=True) as response:
            if response.status_code != 200:  # noqa: PLR2004 - HTTP status
                response.failure("not 200")
