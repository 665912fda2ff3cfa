"""Servers of the user's own, given by a URL: checked, never changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.errors import ComponentError, UsageError
from harness.servers.kind import Availability, Definition, Rejected, Running, Unanswered, require
from harness.servers.wheel import record_of

if TYPE_CHECKING:
    from harness.servers.kind import Facts

ASK_S = 5.0


def variable(definition: Definition) -> str:
    """Return the name of the environment variable that may hold the URL."""
    return f"SESSION_BENCH_{definition.name.upper()}_URL"


def from_environment(definition: Definition) -> str | None:
    """Return the URL of the environment, if there is one."""
    return os.environ.get(variable(definition)) or None


def available(definition: Definition) -> Availability:
    """Tell whether the environment names a server, without asking it."""
    url = from_environment(definition)
    if url is None:
        return Availability(ok=False, detail=f"{variable(definition)} is not set")
    return Availability(ok=True, detail=f"the server at {address_of(definition, url)}, from {variable(definition)}")


def address_of(definition: Definition, url: str) -> str:
    """Return the host and port of a URL; UsageError, which never quotes it, when it is none of this kind."""
    named = f"The URL of the {definition.name} server"
    wants = f"it should read {definition.schemes[0]}://[user:password@]host[:port][/…]"
    try:
        parts = urlsplit(url)
        if "," not in parts.netloc:
            _ = parts.port  # raises when it is no number
    except ValueError:
        raise UsageError(f"{named} is malformed: {wants}.") from None
    if parts.scheme not in definition.schemes:
        begins = f"begins with {parts.scheme}://" if parts.scheme else "has no scheme"
        raise UsageError(f"{named} {begins}, which is none of {', '.join(definition.schemes)}: {wants}.")
    address = parts.netloc.rpartition("@")[2]
    if not address.partition(":")[0]:
        raise UsageError(f"{named} names no host: {wants}.")
    if "@" not in parts.netloc and "@" in url:
        raise UsageError(
            f"{named} has an @ after its host: {wants}, and a password's own / ? # and @ are percent-encoded."
        )
    return address


def start(definition: Definition, url: str, *, options: dict[str, Any]) -> Running:
    """Reach the user's server, learn what it is, and refuse it when its settings are not the variant's."""
    address = address_of(definition, url)
    wanted = definition.options(options)
    require(definition)
    try:
        facts = definition.ask(url, ASK_S)
    except Unanswered as error:
        raise ComponentError(
            f"No {definition.name} server answers at {address}: {error}. Check the address, "
            "and that the server runs and may be reached from here."
        ) from None
    except Rejected as error:
        raise ComponentError(f"The {definition.name} server at {address} refused us: {error}.") from None
    if options:
        _compare(definition, address, wanted, facts)
    return Running(definition, url, record_of(definition, facts, "url", address))


def _compare(definition: Definition, address: str, wanted: dict[str, str], facts: Facts) -> None:
    """Refuse a server that is set otherwise than the variant asks: its figures would carry the wrong name."""
    for name, value in wanted.items():
        found = facts.settings.get(name, "unknown")
        if found != value:
            raise UsageError(
                f"The variant asks for {name} = {value}, but the {definition.name} server at {address} has "
                f"{name} = {found}. A server given by its URL is checked, never set: change {name} there, or "
                "choose the variant's options to match it."
            )
