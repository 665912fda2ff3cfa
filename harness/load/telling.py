"""Tells the listeners of Locust's request event of a request, without the copies that `EventHook.fire` makes for each.

They get the same fields, in the same order and under the same rules; it saves a microsecond, a sixteenth of a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locust.event import EventHook

if TYPE_CHECKING:
    from collections.abc import Callable


def teller(event: EventHook) -> Callable[[dict[str, Any]], None]:
    """Return what tells an event's listeners; where somebody has put a `fire` of his own, it goes through that."""
    if type(event) is not EventHook or "fire" in vars(event):
        return lambda said: event.fire(**said)

    def tell(said: dict[str, Any]) -> None:
        # A copy, as in Locust: listeners may come and go meanwhile.
        for listener in event._handlers.copy():  # noqa: SLF001 - what `fire` goes through
            try:
                listener(**said)
            except Exception as error:  # noqa: BLE001 - Locust sorts them
                _raised(error)

    return tell


def _raised(error: Exception) -> None:
    """Have Locust decide what a listener's exception means: some stop the user, all others are logged."""

    def listener() -> None:
        raise error

    hook = EventHook()
    hook.add_listener(listener)
    hook.fire()
