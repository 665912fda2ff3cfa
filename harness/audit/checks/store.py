"""What a store is made to do: records that nobody needs, and writes that change nothing."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from harness.audit.agent import Agent
from harness.audit.check import Failed, Skipped, check
from harness.audit.cookies import parsed, session_cookie
from harness.link import Unrelayable, between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.audit.probe import Probe
    from harness.link import Link
    from harness.servers.kind import Counters

_VISITS: Final = 10
_REQUESTS: Final = 50
_HOUR_S: Final = 3600
_MOST_PER_READ: Final = 0.1
"""A server writes a little for itself now and then, so that not every last write need be a request's."""
_MOST_PER_WRITE: Final = 2.1
"""The record, and its expiry where a store keeps that apart; and as much for the server itself."""


@check(
    12,
    "anonymity",
    "Who only visits leaves no record behind and is given no session.",
    source="OWASP Session Management Cheat Sheet: an id at login; CWE-770: each visitor would fill the store",
    quick=True,
)
def anonymity(probe: Probe) -> str:
    """Visit without a cookie and with one that nobody issued: the store holds as many records as before."""
    with probe.alone() as url:
        name, value = session_cookie(probe.user("resident", url))
        try:
            before, unknown = probe.records(url), ""
        except Skipped as skipped:
            before, unknown = 0, skipped.found
        given: set[str] = set()
        for _ in range(_VISITS):
            visitor = probe.agent("visitor", url)
            foreign = f"{name}={secrets.token_urlsafe(len(value))[: len(value)]}"
            answers = [
                visitor.read(),
                visitor.ask("GET", "/ping"),
                visitor.logout(),
                visitor.read(cookie=foreign, what="with a cookie that nobody issued"),
            ]
            cookies = [each for answer in answers for each in map(parsed, answer.set_cookies)]
            given |= {each.name for each in cookies if each.gives and each.name == name}
        visits = _VISITS * len(answers)
        if given:
            raise Failed(f"Visitors who did not log in were given the cookie {name}.")
        if unknown:
            raise Skipped(f"No visitor was given a session's cookie. {unknown}")
        more = probe.records(url) - before
    probe.figures |= {"visits": visits, "records_more": more}
    if more > 0:
        raise Failed(f"{visits} anonymous requests left {more} more records in the store.")
    return f"{visits} anonymous requests left no record in the store, and no session's cookie with the visitors."


@check(
    17,
    "amplification",
    "A read writes nothing, and a write writes the session once.",
    source="the stores' own counters (INFO commandstats, pg_stat_database, serverStatus); starsessions writes on reads",
)
def amplification(probe: Probe) -> str:
    """Count what 50 reads and 50 writes of a fresh session make the store do.

    By the server's own counters where it is known: an app serves one login, another one a login and the reads, a third
    a login and the writes, and each is ended before the server is asked, since its connections may keep their counts to
    themselves until they close. Elsewhere by what the app says that it has asked of its store (GET /count). Bytes are
    figures without a bound: those of the log that makes writes durable, with the server's housekeeping, and those on
    the wire both ways, where a relay can stand on it, with what the driver says to its server besides.
    """
    per_read, per_write, source = _by_server(probe) if probe.subject.store is not None else _by_app(probe)
    probe.figures |= {"writes_per_read": per_read, "writes_per_write": per_write}
    said = f"{per_read:g} writes for each read and {per_write:g} for each write, by {source}."
    if per_read > _MOST_PER_READ:
        raise Failed(f"Reads write: {said}")
    if per_write > _MOST_PER_WRITE:
        raise Failed(f"A write is more than the record and its expiry: {said}")
    return f"The store was written to {said}"


def _by_server(probe: Probe) -> tuple[float, float, str]:
    """Ask the server's own counters; returns writes per read, per write, and who counted."""
    fixed = _counted(probe, "", lambda _: None)
    read = _counted(probe, "read", _read)
    written = _counted(probe, "write", _write)
    probe.figures["store_reads_per_read"] = _each(read.reads - fixed.reads)
    if written.written_bytes is not None and fixed.written_bytes is not None:
        probe.figures["written_bytes_per_write"] = _each(written.written_bytes - fixed.written_bytes)
    server = f"the {probe.store.record.product} server's own counters"
    return _each(read.writes - fixed.writes), _each(written.writes - fixed.writes), server


def _counted(probe: Probe, what: str, requests: Callable[[Agent], None]) -> Counters:
    """Return what the server counted of a login and some requests; what these had on the wire goes into the figures."""
    before = probe.store.settled_counters()
    with (
        _watched(probe) as (link, store_url),
        probe.other(workers=1, store_url=store_url, **_unhurried(probe)) as url,
        probe.kept(url) as connection,
    ):
        agent = Agent(connection, probe.trail, "counted")
        agent.login().expected("POST /login")
        begun = link.statistics() if link else None
        requests(agent)
        if link is not None and begun is not None and what:
            ended = link.statistics()
            probe.figures[f"to_store_bytes_per_{what}"] = _each(ended.to_store_bytes - begun.to_store_bytes)
            probe.figures[f"from_store_bytes_per_{what}"] = _each(ended.from_store_bytes - begun.from_store_bytes)
            probe.figures[f"round_trips_per_{what}"] = _each(ended.round_trips - begun.round_trips)
    return probe.store.settled_counters() - before


@contextmanager
def _watched(probe: Probe) -> Iterator[tuple[Link | None, str | None]]:
    """Give a relay to the store that only looks on, and the URL through it; None and None where none can stand."""
    processes, log = probe.subject.processes, probe.subject.folder / "relay.log"
    way: tuple[Link | None, str | None] = None, None
    with ExitStack() as stack:
        if processes is not None:
            with suppress(Unrelayable):
                way = stack.enter_context(between(processes, probe.store.url, rtt_ms=0, log=log))
        yield way


def _by_app(probe: Probe) -> tuple[float, float, str]:
    """Ask the app's own count."""
    with probe.alone() as url, probe.kept(url) as connection:
        agent = Agent(connection, probe.trail, "counted")
        agent.login().expected("POST /login")
        begun = probe.writes(url)
        _read(agent)
        read = probe.writes(url)
        _write(agent)
        written = probe.writes(url)
    return _each(read - begun), _each(written - read), "the app's own count"


def _unhurried(probe: Probe) -> dict[str, Any]:
    """Give a session a long life, so that none is due to be extended while it is counted."""
    return {name: _HOUR_S for name in ("idle_s",) if name in probe.options}


def _read(agent: Agent) -> None:
    for _ in range(_REQUESTS):
        agent.read().expected("GET /profile")


def _write(agent: Agent) -> None:
    for number in range(_REQUESTS):
        agent.write(f"note {number}").expected("POST /profile")


def _each(count: int) -> float:
    return max(0.0, round(count / _REQUESTS, 3))
