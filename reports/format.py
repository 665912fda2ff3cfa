"""A recorded run on disk: schema, update ladder, reader, atomic writer."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

# History of the format:
# 1  first light: closed load, one arm per trial.
SCHEMA_VERSION = 1

Outcome = Literal["ok", "http_error", "transport_error", "wrong_answer", "refused", "timeout", "cut", "unsent"]
Phase = Literal["warmup", "solo", "duet", "slice"]
Role = Literal["app", "store", "generator"]
OUTCOMES: tuple[Outcome, ...] = (
    "ok", "http_error", "transport_error", "wrong_answer", "refused", "timeout", "cut", "unsent",
)  # fmt: skip
FAILURES: frozenset[Outcome] = frozenset({"http_error", "transport_error", "wrong_answer", "timeout"})
ROLES: tuple[Role, ...] = ("app", "store", "generator")


class RunUnreadable(Exception):  # noqa: N818 - says what the reader found
    """A recorded run cannot be read; the message is one paragraph for the user."""


class _Data(BaseModel):
    """Recorded data: unknown keys are refused, so that a misspelt field cannot vanish silently.

    So are infinities and NaN, which JSON does not have and no chart can draw.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Load(_Data):
    """What the generator was told: `closed` is `users` loops, each sending as soon as it is answered."""

    kind: Literal["closed"] = "closed"
    users: int


class Plan(_Data):
    """Everything that was decided before the first trial; together with the code it reproduces the run."""

    name: str
    profile: str
    scenario: str
    """Name of a scenario of ours, or the path of a locustfile."""
    parameters: dict[str, float | int | str] = {}
    load: Load
    blocks: int
    warmup_s: float
    window_s: float
    drain_s: float
    sessions: int
    """Live sessions that lie in each store before the first trial."""
    seed: int
    servers: Literal["auto", "wheel", "docker", "url"] = "auto"
    client: Literal["lean", "stock"] = "lean"
    """Who sends the requests: our client, or Locust's own."""
    order: list[list[str]]
    """Canonical variant names, one list per block, in the order in which they run."""
    ranking: bool = False
    """Whether the profile has enough blocks for more than medians and min-max."""


class Server(_Data):
    """The store server behind a variant, as it described itself."""

    kind: str
    product: str
    """What it really is: Valkey, Redis, PostgreSQL, MongoDB, session service."""
    version: str
    build: str = ""
    source: Literal["url", "wheel", "docker"]
    address: str
    """Host and port; never a password."""
    durability: str
    settings: dict[str, str] = {}
    note: str = ""
    """A warning that belongs beside every figure, such as "out of support"."""

    @property
    def label(self) -> str:
        """Name and version as figures show them, such as "Valkey 9.1.2"."""
        return f"{self.product} {self.version}" + (f", {self.note}" if self.note else "")


class Variant(_Data):
    """A backend with options, as it stood in this run."""

    name: str
    slug: str
    backend: str
    options: dict[str, Any] = {}
    workers: int = 1
    driver: str = ""
    """Driver and version, such as "redis 8.1.0"; empty where there is none."""
    traits: dict[str, Any] = {}
    durability: str = "none"
    server: Server | None = None
    source: dict[str, str] = {}
    """Path and digest of the backends package that served it."""
    python: str = ""
    bytes_per_session: float | None = None
    error: str | None = None
    """Why it could not take part; null when it could."""


class Environment(_Data):
    """The machine and the software that gave the figures."""

    cpu: str
    cores: int
    memory_bytes: int
    kernel: str
    system: str
    virtualization: str = ""
    python: str
    packages: dict[str, str] = {}
    pinning: str
    """What was done about CPU pinning, in words."""
    cpus: dict[str, list[int]] = {}
    """Role to the CPUs that it was pinned to; empty when nothing was pinned."""
    data_folder_filesystem: str = ""
    fsync_p50_us: float | None = None
    clock: str = "CLOCK_MONOTONIC"

    @property
    def label(self) -> str:
        """One line for captions."""
        gib = self.memory_bytes / 2**30
        virtual = f", {self.virtualization}" if self.virtualization else ""
        return f"{self.cpu}, {self.cores} cores, {gib:.0f} GiB{virtual}, {self.system}, Python {self.python}"


class Figures(_Data):
    """One arm's figures in one trial's window; null where there was nothing to measure.

    Times are µs, percentiles nearest-rank over whole requests (no buckets), CPU is per request answered in
    the window.
    """

    requests: int
    outcomes: dict[Outcome, int]
    window_s: float
    requests_per_s: float
    mean_us: float | None
    p50_us: float | None
    p95_us: float | None
    p99_us: float | None
    max_us: float | None
    at_least: list[str] = []
    """Names of the times above that are only lower bounds: a request they rest on was never answered."""
    error_share: float
    cpu_us_per_request: dict[Role, float | None]
    rss_bytes: dict[Role, int | None]
    """Largest seen since the window began, summed over the role's processes."""
    pss_bytes: dict[Role, int | None]
    cpu_share: dict[Role, float | None]
    """CPU seconds per second of the window: 1.0 is one core."""
    steps: dict[str, Figures] = {}
    """The same per request name; resources are null there."""


class Arm(_Data):
    """A variant in a trial."""

    variant: str
    figures: Figures | None = None


class Verdict(_Data):
    """Whether a trial's figures deserve trust, and why not."""

    state: Literal["VALID", "SUSPECT", "INVALID", "OVERLOADED", "FAILED"]
    reasons: list[str] = []


class Trial(_Data):
    """Fresh app processes, one scenario, one load; trial.json holds exactly this."""

    number: int
    block: int
    attempt: int = 1
    arms: list[Arm]
    started_at: str
    """UTC, ISO 8601."""
    t0_monotonic_ns: int | None = None
    warmup_s: float
    window_s: float
    overhead_s: float | None = None
    """Seconds of the trial that were neither warm-up nor window nor drain."""
    verdict: Verdict
    error: str | None = None


class Spread(_Data):
    """A metric over the trials of one variant: the median, the extremes, and how many there were."""

    median: float
    min: float
    max: float
    trials: int


class Summary(_Data):
    """One variant over all its blocks; a metric that no trial measured is absent."""

    variant: str
    trials: int
    states: dict[str, int]
    requests: int
    errors: int
    wrong_answers: int
    metrics: dict[str, Spread]
    """By the names of `reports.stats.METRICS`: p50_us, …, requests_per_s, app_cpu_us_per_request, …"""


class Run(_Data):
    """run.json: a plan carried out."""

    schema_version: int = SCHEMA_VERSION
    harness_version: str
    started_at: str
    finished_at: str | None = None
    status: Literal["running", "finished", "interrupted"] = "running"
    plan: Plan
    environment: Environment
    variants: list[Variant]
    trials: list[Trial] = []
    summaries: list[Summary] = []
    comparisons: list[dict[str, Any]] = Field(default=[])
    audits: list[dict[str, Any]] = Field(default=[])

    @model_validator(mode="after")
    def _names_only_its_own(self) -> Run:
        known = {variant.name for variant in self.variants}
        named = {arm.variant for trial in self.trials for arm in trial.arms}
        named.update(summary.variant for summary in self.summaries)
        if strangers := sorted(named - known):
            raise ValueError(f"there are figures of {', '.join(strangers)}, which is not among the variants")
        return self

    def variant(self, name: str) -> Variant:
        """Return the variant of this canonical name."""
        return next(variant for variant in self.variants if variant.name == name)


def trial_folder(run: Path, number: int) -> Path:
    """Return where a trial's files lie."""
    return run / "trials" / f"{number:04d}"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system lets a folder be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_run(folder: Path, run: Run) -> None:
    """Write run.json."""
    write_atomically(folder / "run.json", run.model_dump_json(indent=1).encode())


def write_trial(folder: Path, trial: Trial) -> None:
    """Write a trial's trial.json."""
    write_atomically(trial_folder(folder, trial.number) / "trial.json", trial.model_dump_json(indent=1).encode())


def read_run(folder: Path) -> Run:
    """Read run.json of a run folder, of this schema or an older one.

    Raises RunUnreadable when there is none, when it is damaged, or when a newer session-bench wrote it.
    """
    path = folder / "run.json"
    try:
        raw = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise RunUnreadable(
            f"{folder} holds no recorded run: there is no run.json in it. "
            "Name a folder that `session-bench run` made, such as one under results/."
        ) from None
    except OSError as error:
        raise RunUnreadable(f"{path} cannot be read: {error.strerror}. Check its permissions.") from None
    except (ValueError, RecursionError) as error:
        raise RunUnreadable(
            f"{path} cannot be read: {error}. The file is damaged; the trials beside it "
            "(trials/*/trial.json) are whole, and `session-bench run` never writes over a run, so restore it "
            "from a copy."
        ) from None
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise RunUnreadable(f"{path} is JSON but not a recorded run: it has no schema_version.")
    if version > SCHEMA_VERSION:
        raise RunUnreadable(
            f"{path} has schema_version {version}; this session-bench reads up to {SCHEMA_VERSION}. "
            "Read it with the version that wrote it, or upgrade: pip install -U session-bench."
        )
    try:
        return Run.model_validate(_update(raw, version))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "as a whole"
        raise RunUnreadable(
            f"{path} is damaged: {where}: {first['msg']} ({error.error_count()} problems in all). "
            "Restore it from a copy."
        ) from None


def read_trials(folder: Path) -> list[Trial]:
    """Read every finished trial from its own file, in order: run.json may be one behind after a crash.

    Raises RunUnreadable when one of them is damaged.
    """
    trials = [_read_trial(path) for path in folder.glob("trials/*/trial.json")]
    return sorted(trials, key=lambda trial: trial.number)


def _read_trial(path: Path) -> Trial:
    try:
        return Trial.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise RunUnreadable(
            f"{path} cannot be read: {reason}. Restore it from a copy, or move its folder away to do without the trial."
        ) from None


def _update(raw: dict[str, Any], version: int) -> dict[str, Any]:
    """Climb from an older schema to ours, one rung a version."""
    ladder: dict[int, Any] = {}
    for rung in range(version, SCHEMA_VERSION):
        raw = ladder[rung](raw)
    return raw
