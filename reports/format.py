"""What a recorded run holds: the schema of run.json and trial.json, and its history."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Literal

from pydantic import model_validator

from reports.record.audited import Audit, Checked  # noqa: TC001 - pydantic reads annotations at run time
from reports.record.counts import Counts  # noqa: TC001 - pydantic reads annotations at run time
from reports.record.environment import Environment  # noqa: TC001 - pydantic reads annotations at run time
from reports.record.faulted import Fault  # noqa: TC001 - pydantic reads annotations at run time
from reports.record.judgement import Comparison, Judgement, Told  # noqa: TC001 - pydantic reads annotations at run time
from reports.record.model import Data, Interval
from reports.record.outage import Outage  # noqa: TC001 - pydantic reads annotations at run time
from reports.record.relayed import RelayCost, Relayed  # noqa: TC001 - pydantic reads annotations at run time

# History of the format:
# 1  first light: closed load, one arm per trial.
# 2  open load: a trial has a purpose, a load and what its instrument knew of itself; figures have layers, dispatch lag
#    and a closed phase beside them; a run has capacities, a summary costs over the baseline. All of it may be absent.
# 3  the judge: a trial of a pair has two arms, a duet and slices; a run has comparisons, told pairs and a judgement.
#    What 2 had as `comparisons` was always empty.
# 4  correctness: a run has audits (what 3 had as such was always empty), a trial the answers that it checked, and where
#    they were part of it a fault and a relay. Since, a plan and a run may have counts too.
SCHEMA_VERSION = 4

Outcome = Literal["ok", "http_error", "transport_error", "wrong_answer", "refused", "timeout", "cut", "unsent"]
Phase = Literal["warmup", "solo", "duet", "slice", "closed"]
Purpose = Literal["latency", "ladder", "capacity", "probe", "pair", "fault"]
Layer = Literal["client", "framework", "session", "store", "unattributed"]
LAYERS: tuple[Layer, ...] = ("client", "framework", "session", "store", "unattributed")
Role = Literal["app", "store", "generator"]
OUTCOMES: tuple[Outcome, ...] = (
    "ok", "http_error", "transport_error", "wrong_answer", "refused", "timeout", "cut", "unsent",
)  # fmt: skip
FAILURES: frozenset[Outcome] = frozenset({"http_error", "transport_error", "wrong_answer", "timeout"})
ROLES: tuple[Role, ...] = ("app", "store", "generator")


class Load(Data):
    """What the generator was told.

    `closed` is `users` loops, each sending as soon as it is answered. `open` is arrivals at `rate_per_s`, whatever
    the answers do: a free user takes each, and `users` is the most that can be in flight.
    """

    kind: Literal["closed", "open"] = "closed"
    users: int
    rate_per_s: float | None = None
    """Arrivals a second; null in closed load."""
    arrivals: Literal["exponential", "constant"] = "exponential"


class Objective(Data):
    """A service-level objective: what a rate must keep to count as carried."""

    text: str
    """As the user wrote it, such as "p99<20ms,errors<0.1%"."""
    limits: dict[str, float]
    """Upper limits by the names of `Figures`: p50_us, p95_us, p99_us, mean_us, max_us, error_share."""


class Plan(Data):
    """Everything that was decided before the first trial; together with the code it reproduces the run."""

    name: str
    profile: str
    scenario: str
    """Name of a scenario of ours, or the path of a locustfile."""
    parameters: dict[str, float | int | str] = {}
    load: Load
    """Of the latency trials."""
    rate_source: Literal["plan", "probe"] = "plan"
    """Whether the common rate was given, or chosen by a probe of the slowest variant."""
    closed_users: int = 0
    closed_s: float = 0.0
    """Throughput is measured behind the window by so many closed loops, for so long; 0: not at all."""
    ladder_per_s: list[float] = []
    """Rates at which latency is measured besides, in trials of their own."""
    ladder_blocks: int = 0
    objective: Objective | None = None
    """Every variant's capacity under it is searched for, in a phase of its own."""
    blocks: int
    warmup_s: float
    warmup_most_s: float = 0.0
    """The warm-up ends when load and latency are steady, and here at the latest; not above `warmup_s`: it is fixed."""
    window_s: float
    drain_s: float
    repeats: int = 2
    """How often a trial is repeated that came out INVALID."""
    sessions: int
    """Live sessions that lie in each store before the first trial."""
    seed: int
    servers: Literal["auto", "wheel", "docker", "url"] = "auto"
    client: Literal["lean", "stock"] = "lean"
    """Who sends the requests: our client, or Locust's own."""
    processes: int = 1
    """Processes of the generator."""
    faults: list[Fault] = []
    """What is done to each variant's store, in trials of their own."""
    faulted: list[str] = []
    """The variants that have a store to be harmed."""
    audit: bool = False
    """Whether the quick checks of an audit went before the first trial."""
    counts: bool = False
    """Whether what each step takes was counted exactly before the first trial."""
    order: list[list[str]]
    """Canonical variant names, one list per block, in the order in which they run."""
    ranking: bool = False
    """Whether the profile has enough blocks for more than medians and min-max."""


class Server(Data):
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


class Variant(Data):
    """A backend with options, as it stood in this run."""

    name: str
    slug: str
    backend: str
    options: dict[str, Any] = {}
    workers: int = 1
    rtt_ms: float | None = None
    """What a relay between app and store adds to every round trip; null: there is none."""
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


class Figures(Data):
    """One arm's figures in one trial's window; null where there was nothing to measure.

    Times are µs, percentiles nearest-rank over whole requests (no buckets), CPU is per request answered in
    the window. Times count from the intended start; in closed load that is the sending.
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
    ctx_switches_per_request: dict[Role, float | None] = {}
    service_mean_us: float | None = None
    service_p50_us: float | None = None
    service_p95_us: float | None = None
    service_p99_us: float | None = None
    """Send to last byte: what stays of a response without its waiting for a user, and for the generator."""
    dispatch_lag_p50_us: float | None = None
    dispatch_lag_p99_us: float | None = None
    """How late the generator woke while a user was free; it is inside the response. Null in closed load."""
    queued_share: float | None = None
    """Of the arrivals so many found no free user and waited for one. Null in closed load, like all below."""
    achieved_share: float | None = None
    """Arrivals that the server answered or failed, of those drawn in the window."""
    queue_growth: float | None = None
    """By how many arrivals the number of those unanswered grew from the window's first fifth to its last."""
    arrivals_p: float | None = None
    """Anderson-Darling p-value of the intervals between arrivals against the distribution they were drawn from."""
    trends: dict[str, float] = {}
    """What trended through the window, `latency` or `throughput`: its change from begin to end as a share."""
    layers_us: dict[Layer, float] = {}
    """Where the mean response time goes; adds up to `mean_us` of answered requests. Empty where the app counts nothing.

    `client` is all that is not inside the app: waiting for a user, the generator, loopback, the app's accept queue.
    `unattributed` is the rest of the time inside the app.
    """
    app_loop_lag_p50_us: float | None = None
    app_loop_lag_p99_us: float | None = None
    """How late the app's event loop woke; by buckets 9 % wide."""
    store_ops: dict[str, StoreOps] = {}
    """Store operations as the app saw them, in whole seconds of the window, by name: get, update, …"""
    steps: dict[str, Figures] = {}
    """The same per request name; resources are null there."""


class StoreOps(Data):
    """One kind of store operation in one trial; percentiles are upper edges of buckets 9 % wide."""

    count: int
    failed: int
    mean_us: float
    p50_us: float
    p99_us: float


class Arm(Data):
    """A variant in a trial; `closed` are the figures of the closed phase behind the window.

    In a trial of a pair `figures` are those of the duet, and `slices` those of the arm's solo slices taken together.
    """

    variant: str
    figures: Figures | None = None
    closed: Figures | None = None
    slices: Figures | None = None


class Instrument(Data):
    """What the instrument knew of itself in a trial's window; null where it could not know."""

    loop_lag_p50_us: float | None = None
    loop_lag_p99_us: float | None = None
    """How late the generator's event loop served a precise timer, 50 times a second."""
    waiting_share: float | None = None
    """Of the window the generator was ready to run and waited for its CPU."""
    steal_share: float | None = None
    """Of all CPUs' time another guest of the host took so much."""
    foreign_share: float | None = None
    """Of all CPUs' time programs that are no part of the trial used so much."""
    clock_ppm: float | None = None
    """How far CLOCK_MONOTONIC ran apart from CLOCK_MONOTONIC_RAW, in parts per million."""
    cpu_apart: dict[Role, float] = {}
    """By what share the two ways of counting CPU time (per task, per process) differ."""


class Verdict(Data):
    """Whether a trial's figures deserve trust, and why not."""

    state: Literal["VALID", "SUSPECT", "INVALID", "OVERLOADED", "FAILED"]
    reasons: list[str] = []


class Trial(Data):
    """Fresh app processes, one scenario, one load; trial.json holds exactly this."""

    number: int
    block: int
    attempt: int = 1
    purpose: Purpose = "latency"
    """`latency` trials make the table, `pair` trials (base and head, in this order) a judgement; the others answer for
    themselves."""
    load: Load | None = None
    """Null: the plan's."""
    arms: list[Arm]
    started_at: str
    """UTC, ISO 8601."""
    t0_monotonic_ns: int | None = None
    warmup_s: float
    """As it was, which is longer than planned where load and latency took longer to settle."""
    steady: bool | None = None
    """Whether the warm-up ended because load and latency were steady; null: it was fixed."""
    window_s: float
    closed_from_s: float | None = None
    """When the closed phase began to count, in seconds from t0."""
    closed_s: float = 0.0
    instrument: Instrument | None = None
    overhead_s: float | None = None
    """Seconds of the trial that were neither warm-up nor window nor drain."""
    verdict: Verdict
    checked: dict[str, Checked] = {}
    """How many answers were held against each property, by its name, and how many broke it; the warm-up's too."""
    relayed: Relayed | None = None
    """What the relay between app and store saw; null where there is none."""
    fault: Fault | None = None
    """What was done to the store in a trial of that purpose."""
    outage: Outage | None = None
    """And what came of it."""
    error: str | None = None


class Spread(Data):
    """A metric over the trials of one variant: the median, the extremes, and how many there were."""

    median: float
    min: float
    max: float
    trials: int


class Summary(Data):
    """One variant over all its latency trials; a metric that no trial measured is absent."""

    variant: str
    trials: int
    states: dict[str, int]
    requests: int
    errors: int
    wrong_answers: int
    metrics: dict[str, Spread]
    """By the names of `reports.stats.METRICS`: p50_us, …, requests_per_s, app_cpu_us_per_request, …"""
    over_baseline: dict[str, Interval] = {}
    """What it costs over the variant that keeps nothing, block by block, by metric: p50_us, app_cpu_us_per_request."""


class Capacity(Data):
    """The highest open rate at which a variant keeps the plan's objective, as an interval that holds it at 95 %."""

    variant: str
    lower_per_s: float | None
    """It is believed to lie above, all trials taken together; null: nothing was shown to be carried."""
    upper_per_s: float | None
    """It is believed to lie below, likewise; null: nothing was shown not to be carried."""
    limit: str
    """What gave out first: app CPU, store CPU, a CPU that is shared, generator, store waiting, unknown."""
    why: str
    """The evidence for the limit, in a sentence."""
    trials: list[int] = []
    """Their numbers."""


class Run(Data):
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
    capacities: list[Capacity] = []
    comparisons: list[Comparison] = []
    told: list[Told] = []
    """Pairs of the variants of a run that compares them."""
    judgement: Judgement | None = None
    """Of a regression check."""
    audits: list[Audit] = []
    relay_cost: RelayCost | None = None
    """Of the relay that variants with a round-trip time have; null where there is none."""
    counts: list[Counts] = []
    """What each step of a variant takes, counted by hand and without load; without steps where it could not be."""

    @model_validator(mode="after")
    def _began(self) -> Run:
        try:
            datetime.fromisoformat(self.started_at)
        except ValueError:
            raise ValueError(f"started_at is {self.started_at!r}, which is no time of ISO 8601") from None
        return self

    @model_validator(mode="after")
    def _names_only_its_own(self) -> Run:
        known = {variant.name for variant in self.variants}
        # A check has a variant with every pair that it meets another in.
        if len(known) < len(self.variants) and self.plan.name != "regress":
            twice = Counter(variant.name for variant in self.variants) - Counter(known)
            raise ValueError(f"{', '.join(sorted(twice))} stands more than once among the variants")
        named = {arm.variant for trial in self.trials for arm in trial.arms}
        named.update(summary.variant for summary in self.summaries)
        named.update(capacity.variant for capacity in self.capacities)
        named.update(counts.variant for counts in self.counts)
        if strangers := sorted(named - known):
            raise ValueError(f"there are figures of {', '.join(strangers)}, which is not among the variants")
        return self

    @property
    def baseline(self) -> str | None:
        """The variant that keeps nothing, which the others are seen against; null where there is none."""
        return next((variant.name for variant in self.variants if variant.traits.get("keeps") == "nothing"), None)

    def variant(self, name: str) -> Variant:
        """Return the variant of this canonical name."""
        return next(variant for variant in self.variants if variant.name == name)
