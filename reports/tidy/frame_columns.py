"""What every table of a run holds, column by column: the source of frames, CSV files and their documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reports import stats
from reports.format import LAYERS
from reports.tidy.table import METRICS, TIMES, Column, Table

if TYPE_CHECKING:
    from reports.tidy.table import Kind

_PICKS: Final = {"median": "median of the blocks", "min": "smallest block", "max": "largest block"}
_REACH: Final[tuple[tuple[str, Kind, str], ...]] = (
    ("median", "float64", "median of the trials"),
    ("low", "float64", "lower end of the interval, or the smallest"),
    ("high", "float64", "upper end of the interval, or the largest"),
    ("trials", "Int64", "trials that it is known of"),
    ("exact", "boolean", "whether low and high are a 95 % interval, not the extremes"),
)
_INTERVAL: Final = (
    Column("estimate", "float64", "the middle (Hodges-Lehmann) over paired blocks"),
    Column("low", "float64", "lower end of the interval; with too few blocks, the smallest"),
    Column("high", "float64", "upper end of the interval; with too few blocks, the largest"),
    Column("level", "float64", "the interval's level, such as 0.95; missing: the extremes are shown"),
    Column("blocks", "Int64", "how many blocks both had"),
)


def _interval(prefix: str, what: str) -> list[Column]:
    return [Column(f"{prefix}_{each.name}", each.kind, f"{what}: {each.meaning}") for each in _INTERVAL]


_OF_A_TRIAL: Final = (
    Column("trial", "Int64", "the trial's number, from 1"),
    Column("block", "Int64", "the block that it belongs to"),
    Column("purpose", "string", "latency, ladder, capacity, probe, pair or fault"),
    Column("variant", "string", "canonical name of the variant"),
    Column("state", "string", "verdict on the trial: VALID, SUSPECT, INVALID, OVERLOADED or FAILED"),
)
_COUNTS: Final = (
    Column("requests", "Int64", "requests of the window"),
    Column("errors", "Int64", "those that failed, wrong answers included"),
    Column("wrong_answers", "Int64", "those that were answered wrongly"),
)
_AT_LEAST: Final = Column("at_least", "string", "names of times that are only lower bounds, parted by spaces")
VARIANTS: Final = Table(
    "variants",
    "A row per variant: its metrics over its latency trials, its cost over what keeps nothing, its capacity.",
    [
        Column("variant", "string", "canonical name of the variant"),
        Column("backend", "string", "the backend that it is made of"),
        Column("driver", "string", "driver and version"),
        Column("server", "string", "the store server and its version"),
        Column("durability", "string", "what an acknowledged write survives"),
        Column("state", "string", "gravest verdict of its trials; NOT RUN, NO TRIAL or EXCLUDED where none counts"),
        Column("error", "string", "why it could not take part"),
        Column("trials", "Int64", "latency trials that count"),
        *_COUNTS,
        Column("struck", "boolean", "whether a failed check of its audit takes it out of the choice", "audits"),
        Column("audit", "string", "which checks it fails", "audits"),
        *(
            Column(f"{metric}_{pick}", "float64", f"{METRICS[metric]}; {how}")
            for metric in stats.METRICS
            for pick, how in _PICKS.items()
        ),
        *(
            column
            for metric in stats.COSTS
            for column in _interval(f"{metric}_over_baseline", f"{metric} more than what keeps nothing")
        ),
        Column("capacity_lower_per_s", "float64", "its capacity lies above so many arrivals/s"),
        Column("capacity_upper_per_s", "float64", "and below so many"),
        Column("capacity_limit", "string", "what gave out first"),
        Column("capacity_why", "string", "the evidence for that"),
    ],
)
TRIALS: Final = Table(
    "trials",
    "A row per trial and arm, INVALID ones and every purpose included: `state` and `purpose` say so.",
    [
        *_OF_A_TRIAL[:2],
        Column("attempt", "Int64", "1, or more where an INVALID trial was repeated"),
        _OF_A_TRIAL[2],
        Column("load", "string", "open or closed"),
        Column("users", "Int64", "closed loops, or in open load the most in flight"),
        Column("rate_per_s", "float64", "arrivals a second; missing in closed load"),
        Column("started_at", "string", "UTC, ISO 8601"),
        *_OF_A_TRIAL[3:],
        Column("reasons", "string", "of the verdict, or the trial's error"),
        Column("warmup_s", "float64", "the warm-up, as long as it was"),
        Column("steady", "boolean", "whether it ended because load and latency were; missing: it was fixed"),
        Column("window_s", "float64", "the measured window"),
        *_COUNTS,
        _AT_LEAST,
        *(Column(metric, "float64", METRICS[metric]) for metric in stats.METRICS),
        Column("queued_share", "float64", "share of arrivals that waited for a user"),
        Column("achieved_share", "float64", "share of arrivals that were answered or failed by the server"),
        Column("queue_growth", "float64", "by how many unanswered arrivals the queue grew through the window"),
        Column("arrivals_p", "float64", "p-value of the intervals between arrivals (Anderson-Darling)"),
        Column("app_loop_lag_p50_us", "float64", "how late the app's event loop woke, in the median"),
        Column("app_loop_lag_p99_us", "float64", "the same, at the 99th percentile"),
        *(Column(f"layer_{layer}_us", "float64", f"part of the mean response spent in: {layer}") for layer in LAYERS),
        Column("generator_loop_lag_p50_us", "float64", "how late the generator's event loop woke, in the median"),
        Column("generator_loop_lag_p99_us", "float64", "the same, at the 99th percentile"),
        Column("generator_waiting_share", "float64", "share of the window in which the generator waited for its CPU"),
        Column("generator_steal_share", "float64", "share of all CPUs' time that other guests of the host took"),
        Column("generator_clock_ppm", "float64", "how far the clock ran apart from the raw one, in parts per million"),
        Column("slices_requests", "Int64", "requests of the arm's solo slices", "pairs"),
        *(
            Column(f"slices_{name}", "float64", f"response time in the solo slices: {TIMES[name]}", "pairs")
            for name in stats.PERCENTILES
        ),
    ],
)
STEPS: Final = Table(
    "steps",
    "A row per trial, arm and request name, INVALID ones included. Where a scenario tries several payload sizes, the "
    "name ends with the size, as `GET /profile 4096 B` does; over the trials, they are in `sizes`.",
    [
        *_OF_A_TRIAL,
        Column("step", "string", "name of the request, such as GET /profile"),
        *_COUNTS,
        Column("refused", "Int64", "those that were refused as they may be, such as a session too large for a cookie"),
        _AT_LEAST,
        Column("requests_per_s", "float64", METRICS["requests_per_s"]),
        Column("error_share", "float64", METRICS["error_share"]),
        *(Column(name, "float64", METRICS[name]) for name in TIMES),
        *(Column(f"service_{name}", "float64", METRICS[f"service_{name}"]) for name in TIMES if name != "max_us"),
    ],
)
SIZES: Final = Table(
    "sizes",
    "A row per variant, kind of request and payload size, over the latency trials that count, where a run tried two "
    "sizes: what a session's size costs, and where a cookie ends.",
    [
        Column("variant", "string", "canonical name of the variant"),
        Column("step", "string", "kind of request, such as GET /profile"),
        Column("payload_bytes", "Int64", "what the session holds beside the user's name"),
        Column("state", "string", "gravest verdict of the variant's trials that count"),
        Column("kept", "boolean", "whether there were sessions of this size"),
        Column("trials", "Int64", "trials that its p50 is known of"),
        Column("requests", "Int64", "requests of the windows"),
        Column("errors", "Int64", "those that failed, wrong answers included"),
        Column("refused", "Int64", "those that were refused with a 413, as a session too large for a cookie is"),
        Column("p50_us_median", "float64", f"{METRICS['p50_us']}; median of the trials without a refusal"),
        Column("p50_us_low", "float64", "the same; smallest"),
        Column("p50_us_high", "float64", "the same; largest"),
        _AT_LEAST,
    ],
)
CAPACITIES: Final = Table(
    "capacities",
    "A row per variant whose capacity was searched for: the highest open rate that keeps the plan's objective.",
    [
        Column("variant", "string", "canonical name of the variant"),
        Column("lower_per_s", "float64", "believed to lie above so many arrivals/s; missing: nothing was carried"),
        Column("upper_per_s", "float64", "believed to lie below; missing: nothing was shown not to be carried"),
        Column("limit", "string", "what gave out first"),
        Column("why", "string", "the evidence for that"),
        Column("trials", "Int64", "trials of its search"),
    ],
)
TOLD: Final = Table(
    "told",
    "A row per two variants and metric: by what share `b` takes more than `a`, with simultaneous intervals.",
    [
        Column("a", "string", "the one"),
        Column("b", "string", "the other"),
        Column("metric", "string", "p50_us or app_cpu_us_per_request"),
        Column("state", "string", "differ, tied, not told apart or too few blocks"),
        *_INTERVAL,
    ],
)
COMPARISONS: Final = Table(
    "comparisons",
    "A row per pair of a regression check and metric. Changes are shares of the base: 0.05 is 5 % more, worse.",
    [
        Column("pair", "string", "what the pair is called"),
        Column("base", "string", "the variant that is held against"),
        Column("head", "string", "the variant that is judged"),
        Column("blocks", "Int64", "blocks of the pair"),
        Column("verdict", "string", "on the pair: PASS, REGRESSED, INCONCLUSIVE or INVALID"),
        Column("metric", "string", "such as p50_us"),
        Column("decides", "boolean", "whether the verdict rests on it"),
        Column("state", "string", "of the metric: within, slower, faster or unclear"),
        Column("tolerance_share", "float64", "so much slower still counts as the same"),
        Column("tolerance_floor", "float64", "and at least so much, in the metric's own unit"),
        Column("base_median", "float64", "median of the base's blocks, in the metric's own unit"),
        Column("head_median", "float64", "median of the head's blocks"),
        *_interval("change", "head over base less one"),
        Column("p_slower", "float64", "one-sided exact p of: the head is not slower"),
        Column("p_slower_adjusted", "float64", "the same over the whole family (Holm)"),
        Column("p_within", "float64", "of: the head is slower by the tolerance or more"),
        Column("p_faster", "float64", "of: the head is not faster"),
        Column("p_faster_adjusted", "float64", "the same over the whole family (Holm)"),
        Column("smallest_seen", "float64", "smallest change that so many blocks show four times of five, a share"),
    ],
)
AUDITS: Final = Table(
    "audits",
    "A row per variant and check; the state of what could not be audited at all is ERROR.",
    [
        Column("variant", "string", "canonical name of the variant"),
        Column("quick", "boolean", "whether it was the quick set that goes before a run"),
        Column("number", "Int64", "the check's number"),
        Column("name", "string", "the check's name"),
        Column("state", "string", "PASS, FAIL, WAIVED, CANNOT, SKIPPED or ERROR"),
        Column("strikes", "boolean", "whether it takes the variant out of the choice"),
        Column("found", "string", "what was seen, in a sentence"),
        Column("seconds", "float64", "how long it took"),
        Column("figures", "string", "what was counted or timed: name=value, parted by spaces"),
    ],
)
CORRECTNESS: Final = Table(
    "correctness",
    "A row per variant and property that answers under load were held against; trials with a fault are left out.",
    [
        Column("variant", "string", "canonical name of the variant; two arms of a trial are told together"),
        Column("property", "string", "such as isolation"),
        Column("checked", "Int64", "answers that were checked, the warm-up's too"),
        Column("wrong", "Int64", "those that broke it"),
        Column("wrong_per_million", "float64", "the same of a million"),
        Column("upper_per_million", "float64", "fewer than so many with 95 % confidence, where none was (3/n)"),
    ],
)
COUNTS: Final = Table(
    "counts",
    "A row per variant and step, counted exactly, by hand and without load; one without a step where nothing could be.",
    [
        Column("variant", "string", "canonical name of the variant"),
        Column("driver", "string", "driver and version that it holds for"),
        Column("server", "string", "the store server and its version that it holds for"),
        Column("step", "string", "login, read, write, logout or ping"),
        Column("commands", "Int64", "what the store was asked: commands, statements, messages or requests"),
        Column("round_trips", "Int64", "how often it was waited for; a pipeline is one"),
        Column("to_store_bytes", "Int64", "bytes sent to the store, by its protocol, without TCP's own"),
        Column("from_store_bytes", "Int64", "bytes that came back"),
        Column("response_bytes", "Int64", "the app's answer, head and body"),
        Column("cookie_bytes", "Int64", "cookie that the client holds afterwards, and sends with each request"),
        Column("notes", "string", "why counts are missing"),
    ],
)
_STAGES: Final = ("before", "during", "after")
_STAGE: Final[dict[str, tuple[Kind, str]]] = {
    "arrivals": ("Int64", "arrivals of the stage, by their intended start"),
    "goodput_per_s": ("float64", "right answers that came in it, by its seconds"),
    "p50_us": ("float64", "half of them took no longer, errors included"),
    "p99_us": ("float64", "99 % took no longer; missing under 100"),
    "longest_us": ("float64", "the slowest"),
    "at_least": ("string", "names of times that are only lower bounds, parted by spaces"),
    "errors": ("string", "errors by kind: 503=12 timeout=1"),
}
OUTAGES: Final = Table(
    "outages",
    "A row per trial with a fault, INVALID ones included. Times in µs count from the begin of the window.",
    [
        *_OF_A_TRIAL[:2],
        *_OF_A_TRIAL[3:],
        Column("fault", "string", "as one writes it: kill@3+2"),
        Column("kind", "string", "freeze, kill, restart-empty or slow"),
        Column("at_s", "float64", "when it was to begin"),
        Column("for_s", "float64", "for how long"),
        Column("through", "string", "process or relay"),
        Column("began_us", "Int64", "when it began"),
        Column("lifted_us", "Int64", "when the store was let go on"),
        Column("answered_us", "Int64", "when it answered again; missing: never"),
        Column("first_error_us", "Int64", "when the first spoilt request was answered"),
        Column("first_error_status", "Int64", "its status"),
        Column("slowest_error_us", "float64", "the longest that a spoilt request took"),
        Column("refused", "Int64", "spoilt requests that were answered with 503"),
        Column("refused_late", "Int64", "those of them that came later than the deadline"),
        Column("hung", "Int64", "requests that were never answered"),
        Column("recovered_us", "Int64", "from here on no request failed for want of a store; missing: they did"),
        Column("recovery_ms", "float64", "from the store's answer to there"),
        Column("failed_after", "Int64", "requests that failed between the two"),
        Column("strays", "Int64", "failures behind that, too few and too late to be part of it"),
        Column("failed_before", "Int64", "requests that had failed before the fault"),
        Column("sessions_lost", "Int64", "times that users found themselves logged out"),
        Column("updates_lost", "Int64", "answers that did not know of an acknowledged write"),
        Column("connections_before", "Int64", "open connections of the app before the fault"),
        Column("connections_after", "Int64", "and at the window's end"),
        Column("reasons", "string", "why the verdict is what it is"),
        *(
            Column(f"{prefix}{stage}_{name}", kind, f"{whose} {stage} the fault: {meaning}")
            for prefix, whose in (("", "with a session,"), ("sessionless_", "without one, by sending,"))
            for stage in _STAGES
            for name, (kind, meaning) in _STAGE.items()
        ),
    ],
)
DISTANCES: Final = Table(
    "distances",
    "A row per variant with a round-trip time to its store, where a run has several of them.",
    [
        Column("series", "string", "the variant without its round-trip time"),
        Column("variant", "string", "canonical name of the variant"),
        Column("rtt_ms", "float64", "what a relay adds to every round trip to its store"),
        Column("state", "string", "gravest verdict of its trials that count"),
        *(
            Column(f"{metric}_{name}", kind, f"{METRICS[metric]}; {how}")
            for metric in ("p50_us", "p99_us", "throughput_per_s")
            for name, kind, how in _REACH
        ),
        Column("at_least", "string", "names of times that are only lower bounds, parted by spaces"),
        Column("capacity_lower_per_s", "float64", "its capacity lies above so many arrivals/s"),
        Column("capacity_upper_per_s", "float64", "and below so many"),
    ],
)
SUMMARIES: Final = Table(
    "summaries",
    "A row per variant and metric over its latency trials: `variants` in long form.",
    [
        Column("variant", "string", "canonical name of the variant"),
        Column("metric", "string", "its name, as a column of `trials`"),
        *(Column(pick, "float64", how) for pick, how in _PICKS.items()),
        Column("trials", "Int64", "trials that it is known of"),
    ],
)
REQUESTS: Final = Table(
    "requests",
    "A row per request, whole: no histogram, no rounding. Times in µs count from the begin of the window; the "
    "warm-up's are negative.",
    [
        *(Column(each.name, "category" if each.kind == "string" else each.kind, each.meaning) for each in _OF_A_TRIAL),
        Column("arm", "Int8", "place in the trial's list of arms"),
        Column("name", "category", "name of the request, such as GET /profile"),
        Column("phase", "category", "warmup, solo, duet, slice or closed"),
        Column("slice", "Int32", "number of the solo slice"),
        Column("user", "Int32", "who sent it"),
        Column("worker", "Int16", "which process of the generator"),
        Column("scheduled_us", "Int64", "intended start; missing in closed load"),
        Column("wake_lag_us", "Int64", "how late the generator woke while a user was free"),
        Column("sent_us", "Int64", "when it was sent; missing: never"),
        Column("service_us", "Int64", "from there to the last byte, or to where the waiting ended"),
        Column("response_us", "Int64", "from the intended start to there"),
        Column("received_bytes", "Int64", "size of the answer"),
        Column("status", "Int16", "HTTP status"),
        Column(
            "outcome",
            "category",
            "ok, http_error, transport_error, wrong_answer, refused, timeout, cut (unanswered when the drain ended) or "
            "unsent",
        ),
    ],
)
RESOURCES: Final = Table(
    "resources",
    "A row per sample and process, four times a second. Times in µs count from the begin of the window.",
    [
        *(Column(each.name, "category" if each.kind == "string" else each.kind, each.meaning) for each in _OF_A_TRIAL),
        Column("t_us", "Int64", "when; the same for all processes of one sweep"),
        Column("role", "category", "app, store or generator"),
        Column("arm", "Int8", "place in the trial's list of arms; missing for what all arms share"),
        Column("pid", "Int32", "the process"),
        Column("cpu_ns", "Int64", "CPU time since it began"),
        Column("pss_bytes", "Int64", "proportional memory"),
        Column("rss_bytes", "Int64", "resident memory"),
        Column("threads", "Int32", "its threads"),
        Column("fds", "Int32", "its open files"),
        Column("ctx_switches", "Int64", "its context switches"),
        Column("waited_ns", "Int64", "ready to run, and no CPU free, since it began"),
        Column("ticks_ns", "Int64", "CPU time as the kernel counts it per process, ended children included"),
    ],
)
TABLES: Final = {
    table.name: table
    for table in (
        VARIANTS, SUMMARIES, TRIALS, STEPS, SIZES, CAPACITIES, TOLD, COMPARISONS, AUDITS, CORRECTNESS, COUNTS,
        OUTAGES, DISTANCES, REQUESTS, RESOURCES,
    )
}  # fmt: skip
"""Every table by its name, which is that of the frame and of the CSV file."""
