"""Harm to real stores, and what our apps make of it: 503 while it lasts, and all as before when it is over."""

from __future__ import annotations

import logging
import ssl
import statistics
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import httpx
import psutil
import pytest

from harness.arms import App, Arm
from harness.errors import ComponentError, UsageError
from harness.faults import Harm, by_process, parse
from harness.link import between
from harness.servers.docker import Container
from harness.servers.server import discover, provide
from harness.servers.wheel import Embedded
from reports.record.faulted import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.link import Link
    from harness.processes import Processes
    from harness.servers.kind import Running
    from reports.record.faulted import FaultKind

_logger = logging.getLogger(__name__)

POOL = 4
WATCHERS = 2
"""Connections over which a driver may watch its server, besides the pool."""
DEADLINE_MS = 300
PATIENCE_S = 60.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Spares every client the reading of certificates that it has no use for."""
USERS = 6
"""More than the pool has connections."""
FAULTS: list[FaultKind] = ["freeze", "kill", "restart-empty"]
VARIANTS = {
    "redis": "redis",
    "mongodb": "mongodb:journal=true",  # else a crash loses the last tenth of a second
    "postgres": "postgres",
    "http": "http",
}
KEEP = {"mongodb", "postgres"}
"""What a crash leaves here can be read again."""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("freeze@3+2", Fault(kind="freeze", at_s=3, for_s=2)),
        ("kill@0+0.5", Fault(kind="kill", at_s=0, for_s=0.5)),
        ("restart-empty@1.25+10", Fault(kind="restart-empty", at_s=1.25, for_s=10)),
        ("slow@3+2", Fault(kind="slow", at_s=3, for_s=2, slow_ms=300)),
        ("slow:20@3+2", Fault(kind="slow", at_s=3, for_s=2, slow_ms=20)),
    ],
)
def test_a_fault_is_read_and_written_alike(text: str, fault: Fault) -> None:
    assert parse(text) == fault
    assert fault.text == text
    assert fault.until_s == fault.at_s + fault.for_s


def test_what_is_usual_need_not_be_said() -> None:
    assert parse("slow:300@03.0+2.00").text == "slow@3+2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("freez@3+2", r"There is no fault 'freez', as in 'freez@3\+2'; .* Did you mean freeze"),
        ("restart@3+2", "Did you mean restart-empty"),
        ("", "There is no fault ''"),
        ("Kill@3+2", "Did you mean kill"),
        ("freeze", "does not say when .* write freeze@3"),
        ("freeze@3", "does not say when"),
        ("slow:300", "does not say when"),
        ("kill:5@3+2", r"gives kill milliseconds, which only slow takes.* Write kill@3\+2"),
        ("freeze@-1+2", "has '-1' where a number of 0 or more belongs"),
        ("freeze@3+0", "has '0' where a number of more than 0 belongs"),
        ("freeze@3+inf", "has 'inf' where"),
        ("freeze@x+2", "has 'x' where"),
        ("slow:@3+2", "has '' where"),
        ("slow:0@3+2", "has '0' where a number of more than 0"),
    ],
)
def test_anything_else_is_refused_in_one_paragraph(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class Seen:
    """An answer, and when it was asked for and there."""

    path: str
    status: int
    retry_after: str | None
    sent_ns: int
    done_ns: int


class Site:
    """Our app on a server of its own, and everybody who uses it."""

    def __init__(
        self, name: str, server: Running, processes: Processes, log: Path, way: tuple[Link, str] | None = None
    ) -> None:
        self.name = name
        self.server = server
        self.link = way[0] if way else None
        url = way[1] if way else server.url
        self._port = self.link.port if self.link else int(server.record.address.rpartition(":")[2])
        separator = "," if ":" in VARIANTS[name] else ":"
        environment = {
            "SESSION_APP_KEY": "k" * 32,
            "SESSION_APP_NAMESPACE": "faults",
            "SESSION_APP_STORE_URL": url,
        }
        variant = f"{VARIANTS[name]}{separator}deadline_ms={DEADLINE_MS},pool={POOL}"
        self.app = App(processes, Arm(variant, environment=environment), log=log, cpus=None)
        self.app.about()

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.app.url, timeout=PATIENCE_S, trust_env=False, verify=NO_TLS)

    def connections(self) -> int:
        """Count the app's connections to its store."""
        process = psutil.Process(self.app.pids()[0])
        return sum(bool(each.raddr) and each.raddr.port == self._port for each in process.net_connections("tcp"))


@pytest.fixture(scope="module", params=VARIANTS)
def site(
    request: pytest.FixtureRequest, processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Give each in turn; its app lives through all faults, one after the other."""
    server = provide(request.param, options={}, mode="wheel", processes=processes, durable_ok_on_tmpfs=True)
    assert isinstance(server, Embedded)
    made = Site(request.param, server, processes, tmp_path_factory.mktemp("site") / "app.log")
    yield made
    made.app.stop()
    server.stop()


class Crowd:
    """Users who read their profile again and again, and one who asks for what needs no store."""

    def __init__(self, site: Site) -> None:
        self.seen: list[Seen] = []
        self.trouble: list[str] = []
        self._site = site
        self._ended = threading.Event()
        self._users = [threading.Thread(target=self._use, args=[path]) for path in ["/profile"] * USERS + ["/ping"]]

    def __enter__(self) -> Self:
        for user in self._users:
            user.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for user in self._users:
            user.join()

    def _use(self, path: str) -> None:
        try:
            with self._site.client() as client:
                _until_answered(client, "POST", "/login", json={"user": "one of many"})
                while not self._ended.is_set():
                    sent_ns = time.monotonic_ns()
                    answer = client.get(path)
                    after = answer.headers.get("retry-after")
                    self.seen.append(Seen(path, answer.status_code, after, sent_ns, time.monotonic_ns()))
                    self._ended.wait(0.02)
        except Exception as error:  # noqa: BLE001 - the test fails for whatever it is
            self.trouble.append(repr(error))


def _until_answered(client: httpx.Client, method: str, path: str, **given: Any) -> httpx.Response:
    """Ask until the store answers, which a busy machine may keep from doing so inside the deadline."""
    begun = time.monotonic()
    while (answer := client.request(method, path, **given)).status_code == 503:
        assert time.monotonic() - begun < PATIENCE_S, answer.text
        time.sleep(0.01)
    return answer


class Ordeal:
    """A fault, those who ask meanwhile, and somebody who had logged in and written before it."""

    def __init__(self, site: Site, fault: Fault) -> None:
        with site.client() as before, Harm(fault, site.server, site.link) as harm:
            assert _until_answered(before, "POST", "/login", json={"user": "before"}).status_code == 200
            assert _until_answered(before, "POST", "/profile", json={"note": "kept"}).status_code == 200
            with Crowd(site) as crowd:
                t0_ns = time.monotonic_ns()
                while harm.answered_ns is None:
                    harm.step(t0_ns)
                    assert time.monotonic_ns() - t0_ns < PATIENCE_S * 1e9
                    time.sleep(min(0.05, harm.wait_s(t0_ns)))
                self.back = _until_answered(before, "GET", "/profile")
                back_ns = time.monotonic_ns()
        assert harm.began_ns
        assert harm.lifted_ns
        assert t0_ns + fault.at_s * 1e9 <= harm.began_ns < harm.lifted_ns <= harm.answered_ns
        assert harm.lifted_ns >= t0_ns + fault.until_s * 1e9
        self.times = (
            f"{site.name} {fault.text}: lifted after {(harm.lifted_ns - harm.began_ns) / 1e6:.0f} ms, store back "
            f"{(harm.answered_ns - harm.lifted_ns) / 1e6:.0f} ms later, app {(back_ns - harm.answered_ns) / 1e6:.0f} "
            "ms after that"
        )
        _logger.info(self.times)
        assert not crowd.trouble, self.times
        assert {each.status for each in crowd.seen if each.path == "/ping"} == {200}, self.times
        self.seen = [each for each in crowd.seen if each.path != "/ping"]
        self.during = [each for each in self.seen if harm.began_ns < each.sent_ns < harm.lifted_ns]

    def fails(self, *, lives_on: bool) -> None:
        """Check that everybody was told to come again, and that nobody was told anything worse."""
        assert {each.status for each in self.seen} <= {200, 503} | (set() if lives_on else {401}), self.times
        refused = [each for each in self.during if each.status == 503]
        assert refused, self.times
        assert {each.retry_after for each in refused} == {"1"}, self.times
        assert self.back.status_code == (200 if lives_on else 401), self.times
        if lives_on:
            assert self.back.json()["updates"] == 1, self.times


@pytest.mark.parametrize("kind", FAULTS)
def test_an_app_fails_with_its_store_and_comes_back_with_it(site: Site, kind: FaultKind) -> None:
    ordeal = Ordeal(site, Fault(kind=kind, at_s=0.1, for_s=0.6))
    ordeal.fails(lives_on=kind == "freeze" or (kind == "kill" and site.name in KEEP))
    _is_whole(site, ordeal.times)


@pytest.fixture(scope="module")
def far(processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give an app that is led through a relay to a server that, for all it knows, is somebody else's."""
    ours = provide("redis", options={}, mode="wheel", processes=processes)
    theirs = discover()["redis"].start("url", options={}, processes=processes, url=ours.url)
    folder = tmp_path_factory.mktemp("far")
    with between(processes, theirs.url, rtt_ms=0.0, log=folder / "relay.log") as way:
        made = Site("redis", theirs, processes, folder / "app.log", way)
        yield made
        made.app.stop()
    ours.stop()


@pytest.mark.parametrize("text", ["freeze@0.1+0.6", "kill@0.1+0.6", "slow:1000@0.1+0.6"])
def test_what_is_not_ours_is_harmed_on_the_way_to_it(far: Site, text: str) -> None:
    ordeal = Ordeal(far, parse(text))
    ordeal.fails(lives_on=True)
    _is_whole(far, ordeal.times)


def test_answers_that_come_a_little_later_are_answers(far: Site) -> None:
    ordeal = Ordeal(far, parse("slow:40@0.1+0.8"))
    assert {each.status for each in ordeal.seen} <= {200, 503}, ordeal.times  # the latter on a busy machine
    # The first were on their way when it began, and the last are let go when it ends.
    assert statistics.median(each.done_ns - each.sent_ns for each in ordeal.during) >= 40e6, ordeal.times
    assert ordeal.back.json()["updates"] == 1, ordeal.times
    _is_whole(far, ordeal.times)


@pytest.mark.parametrize("kind", FAULTS)
def test_what_is_not_ours_is_never_harmed_itself(far: Site, kind: FaultKind) -> None:
    said = "we delete nothing there" if kind == "restart-empty" else "needs a relay between the app and the redis"
    with pytest.raises(UsageError, match=said):
        Harm(Fault(kind=kind, at_s=0, for_s=1), far.server)
    if kind == "restart-empty":
        with pytest.raises(UsageError, match="was not started by this run"):
            Harm(Fault(kind=kind, at_s=0, for_s=1), far.server, far.link)


def test_a_container_is_frozen_but_never_killed(far: Site) -> None:
    container = Container(discover()["redis"].definition, far.server.url, far.server.record, None)
    assert by_process(parse("freeze@0+1"), container)
    assert not by_process(parse("kill@0+1"), container)
    with pytest.raises(UsageError, match="runs in a container, whose port would change"):
        Harm(parse("restart-empty@0+1"), container, far.link)
    with pytest.raises(ComponentError, match="runs in a container, which comes back at another port"):
        container.kill()


def test_slow_needs_a_relay_whoever_the_server_belongs_to(running: Running) -> None:
    with pytest.raises(UsageError, match=r"The fault slow@0\+1 needs a relay between the app and the redis server at"):
        Harm(parse("slow@0+1"), running)


def _is_whole(site: Site, times: str) -> None:
    """Check that sessions are made, changed, read and ended as ever, on no more connections than there should be."""
    with site.client() as client:
        assert _until_answered(client, "POST", "/login", json={"user": "after"}).status_code == 200, times
        for _ in range(3):
            answer = _until_answered(client, "POST", "/profile", json={"note": "new"})
            assert answer.status_code == 200, times
        assert _until_answered(client, "GET", "/profile").json()["updates"] >= 3, times
        assert _until_answered(client, "GET", "/health").status_code == 200, times
        assert _until_answered(client, "POST", "/logout").status_code == 200, times
        assert _until_answered(client, "GET", "/profile").status_code == 401, times
    begun = time.monotonic()
    while (found := site.connections()) > POOL + WATCHERS:
        assert time.monotonic() - begun < PATIENCE_S, (times, found)
        time.sleep(0.05)


@pytest.fixture
def running(processes: Processes) -> Iterator[Embedded]:
    started = provide("redis", options={}, mode="wheel", processes=processes)
    assert isinstance(started, Embedded)
    yield started
    started.stop()


def broken(harm: Harm, error: BaseException) -> None:
    """Be a trial that ends in the middle of its fault."""
    with harm:
        harm.step(time.monotonic_ns())
        assert harm.began_ns is not None
        assert harm.lifted_ns is None
        raise error


@pytest.mark.parametrize("kind", FAULTS)
def test_a_trial_that_breaks_leaves_a_server_that_answers(running: Running, kind: FaultKind) -> None:
    harm = Harm(Fault(kind=kind, at_s=0, for_s=1000), running)
    with pytest.raises(RuntimeError, match="broken"):
        broken(harm, RuntimeError("broken"))
    assert harm.answered_ns is not None
    assert running.ask(PATIENCE_S).version == running.record.version


def test_who_is_interrupted_need_not_wait_but_leaves_nothing_frozen(running: Running) -> None:
    harm = Harm(Fault(kind="freeze", at_s=0, for_s=1000), running)
    with pytest.raises(KeyboardInterrupt):
        broken(harm, KeyboardInterrupt())
    assert harm.answered_ns is None
    assert running.ask(PATIENCE_S).version == running.record.version


def test_nothing_is_done_before_its_time(running: Running) -> None:
    pids = running.pids()
    with Harm(Fault(kind="kill", at_s=1000, for_s=1000), running) as harm:
        harm.step(None)
        harm.step(time.monotonic_ns())
        assert 900 < harm.wait_s(time.monotonic_ns()) <= 1000
    assert harm.began_ns is harm.lifted_ns is harm.answered_ns is None
    assert running.pids() == pids


def test_a_server_that_dies_on_its_way_back_is_told_and_started_once_more(running: Embedded) -> None:
    harm = Harm(Fault(kind="kill", at_s=0, for_s=1), running)

    def dies() -> None:
        with harm:
            harm.inflict()
            harm.lift()
            psutil.Process(running.pids()[0]).kill()
            begun = time.monotonic()
            while time.monotonic() - begun < PATIENCE_S:
                harm.lift()
                time.sleep(0.01)

    with pytest.raises(ComponentError, match="ended with status -9 instead of starting"):
        dies()
    assert running.ask(PATIENCE_S).version == running.record.version
    assert len(running.pids()) == 1
