"""Settings in layers, weakest first: built-in profiles, session-bench.toml, SESSION_BENCH_*, flags."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from harness.errors import UsageError

_BUILT_IN = Path(__file__).with_name("profiles.toml")
_PREFIX = "SESSION_BENCH_"
_TABLES = {"variants", "regress"}
_ELSEWHERE = {"REDIS_URL", "MONGODB_URL", "POSTGRES_URL", "HTTP_URL", "DEBUG"}
"""Environment names with our prefix that are no settings."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VariantTable(_Table):
    """A `[variants.NAME]` table: a variant with more to say than its name can."""

    backend: str | None = Field(None, description="a backend or subject; unset where an app or a target says it all")
    options: dict[str, str | int | float | bool] = {}
    url: str | None = Field(None, description="the store's URL, instead of a server of the harness's")
    app: str = Field("backends.app:create_app", description="import string of the app's factory")
    target: str | None = Field(None, description="URL of an app that already runs, which is only loaded")
    python: Path | None = Field(None, description="interpreter that serves the app")
    cwd: Path | None = Field(None, description="folder that the app is imported from")
    workers: int = Field(1, ge=1, le=256, description="processes that serve the app")
    rtt: Annotated[float, Field(ge=0, le=10_000)] | None = Field(
        None, description="ms of round trip that a relay puts between app and store; unset: no relay"
    )


Share = Annotated[float, Field(gt=0, lt=10)]
Metric = Literal["app_cpu_us_per_request", "store_cpu_us_per_request", "p50_us", "p95_us", "p99_us"]


class JudgeTable(_Table):
    """How a pair is judged: `[regress.variants.NAME]` for one variant, `[regress]` for all."""

    decide: list[Metric] | None = Field(None, min_length=1, description="the metrics that a verdict rests on")
    tolerance: dict[Metric, Share] = Field({}, description="what still counts as the same, as a share, by metric")
    floor: dict[Metric, Annotated[float, Field(ge=0)]] = Field(
        {}, description="and at least so many µs, by metric: a small share of very little is nothing"
    )


class RegressTable(JudgeTable):
    """The `[regress]` table: how `regress` looks, what it asks, and where it keeps what it needs."""

    looks: list[Annotated[int, Field(ge=6, le=1000)]] = Field(
        [12, 18, 26, 36], min_length=1, description="numbers of blocks at which the data are looked at"
    )
    spent: list[float] = Field([0.15, 0.20, 0.30, 0.35], description="what each look may spend of alpha")
    alpha: float = Field(0.05, gt=0, lt=0.5, description="probability of a false alarm in the whole check")
    fail_on: Literal["any", "delta"] = Field(
        "any", description="fail any slowdown beyond doubt, or only one beyond doubt larger than its tolerance"
    )
    rate: Annotated[float, Field(gt=0, le=1_000_000)] | None = Field(
        None, description="arrivals a second over both arms; unset: what keeps their CPUs lightly loaded"
    )
    slices: int = Field(2, ge=0, le=50, description="how often four slices of one arm each follow a duet")
    slice_s: float = Field(0.25, gt=0, le=60, description="seconds of a slice")
    own_stores: bool = Field(False, description="a store process for each arm, so that its CPU can be told apart")
    sentinel: bool = Field(True, description="let a pair of two equal arms run beside the others")
    counts: Path = Field(Path("session-bench-counts.json"), description="the committed file of exact counts")
    cache: Path | None = Field(None, description="folder of built environments; unset: the user's cache")
    variants: dict[str, JudgeTable] = Field({}, description="how one variant is judged, where it differs")


def _parted(value: Any) -> Any:
    """Take "100,200" for a list, as flags and the environment write it."""
    return value.split(",") if isinstance(value, str) else value


class Settings(_Table):
    """What a run is told, every layer taken together."""

    profile: str
    scenario: str = Field(description="a scenario's name, or the path of a locustfile")
    compare: list[str] = Field(min_length=1, description="the variants of a run that names none")
    rate: Literal["probe"] | Annotated[float, Field(ge=0, le=1_000_000)] = Field(
        description="arrivals a second of open load; `probe` lets the slowest variant decide, 0 is closed load"
    )
    arrivals: Literal["exponential", "constant"] = Field(description="intervals between arrivals in open load")
    users: int = Field(
        gt=0, le=10_000, description="most in flight of open load; in closed load loops that send as they are answered"
    )
    closed_users: int = Field(gt=0, le=10_000, description="loops of the closed phase, which measures throughput")
    closed_s: float = Field(1.0, ge=0, le=3600, description="seconds of the closed phase behind an open window")
    ladder: Annotated[list[Annotated[float, Field(gt=0, le=1_000_000)]], BeforeValidator(_parted)] = Field(
        [], description="rates at which latency is measured besides the common one"
    )
    ladder_blocks: int = Field(1, ge=1, le=1000, description="how often every variant has its turn on each rung")
    rtt: Annotated[list[Annotated[float, Field(ge=0, le=10_000)]], BeforeValidator(_parted)] = Field(
        [], description="ms of round trip to the store at which every variant that has one is measured"
    )
    faults: Annotated[list[str], BeforeValidator(_parted)] = Field(
        [], description="what is done to each store in trials of their own, such as freeze@3+2"
    )
    audit: bool = Field(True, description="make the quick checks of `audit` on every variant before the first trial")
    counts: bool = Field(
        False, description="count exactly what each step of every variant takes, before the first trial"
    )
    slo: str | None = Field(None, description="an objective, whose capacity is searched for: p99<20ms,errors<0.1%")
    blocks: int = Field(ge=1, le=1000, description="how often every variant has its turn")
    warmup_s: float = Field(ge=0, le=3600, description="seconds of load before the window")
    warmup_most_s: float = Field(
        0.0, ge=0, le=3600, description="seconds that the warm-up may last until load and latency are steady"
    )
    window_s: float = Field(gt=0, le=86_400, description="seconds of load that count")
    drain_s: float = Field(ge=0, le=600, description="seconds that requests in flight have after the window")
    repeats: int = Field(
        2, ge=0, le=2, description="how often a trial that the machine or the generator spoilt is repeated"
    )
    sessions: int = Field(ge=0, le=100_000_000, description="live sessions in each store before the first trial")
    seed: int = Field(ge=0, description="seeds the order of trials and the users' choices")
    servers: Literal["auto", "wheel", "docker", "url"] = Field(description="where store servers come from")
    client: Literal["lean", "stock"] = Field(description="who sends the requests: our client, or Locust's own")
    processes: int = Field(1, ge=1, le=256, description="processes of the generator")
    out: Path = Field(description="folder in which each run gets a folder of its own")
    allow_tmpfs: bool = Field(False, description="let a durable store lie in memory all the same")
    parameters: dict[str, int | float | str] = Field({}, description="the scenario's parameters")
    variants: dict[str, VariantTable] = Field({}, description="variants with a name of their own")
    regress: RegressTable = Field(RegressTable.model_validate({}), description="how `regress` judges")


def load(flags: dict[str, Any], *, folder: Path | None = None, environ: dict[str, str] | None = None) -> Settings:
    """Merge the layers; `flags` holds only what was given.

    Raises UsageError that names the layer, the key and the nearest valid one.
    """
    built_in = tomllib.loads(_BUILT_IN.read_text())
    file, where = _read_file(folder or Path.cwd())
    environment = _read_environment(dict(os.environ) if environ is None else environ)
    profiles = {**built_in.pop("profiles"), **file.pop("profiles", {})}
    layers = [
        ("built-in profiles", built_in),
        (where, file),
        ("the environment", environment),
        ("the command line", flags),
    ]
    for name, layer in layers:
        _refuse_unknown(layer, name)
    profile = next(layer["profile"] for _, layer in reversed(layers) if "profile" in layer)
    if profile not in profiles:
        raise UsageError(f"There is no profile {profile!r}; {nearest(str(profile), profiles)}.")
    _refuse_unknown(profiles[profile], f"profile {profile} of {where}")
    merged: dict[str, Any] = {}
    for _, layer in [("", profiles[profile]), *layers]:
        joined = {name: _joined(merged, layer, name) for name in ("parameters", "regress")}
        merged = {**merged, **layer, **joined}
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise UsageError(_explain(error, layers)) from None


def _joined(weaker: dict[str, Any], stronger: dict[str, Any], name: str) -> Any:
    """Return a table as both layers have it together; what is no table is left for the check to find."""
    tables = [layer.get(name, {}) for layer in (weaker, stronger)]
    return {**tables[0], **tables[1]} if all(isinstance(table, dict) for table in tables) else tables[1]


def nearest(given: str, known: Any) -> str:
    """Return "did you mean X?" with every known name behind it."""
    names = sorted(known)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known are {', '.join(names)}" if names else "none are known"


def _read_file(folder: Path) -> tuple[dict[str, Any], str]:
    """Read session-bench.toml, or else [tool.session-bench] of pyproject.toml; says which."""
    own, project = folder / "session-bench.toml", folder / "pyproject.toml"
    for path in (own, project):
        if not path.is_file():
            continue
        try:
            content = tomllib.loads(path.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            if path == project:
                continue
            raise UsageError(f"{path} is not valid TOML: {error}. Mend that line, or move the file away.") from None
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}. Mend its permissions.") from None
        if path == own:
            return content, str(path)
        table = content.get("tool", {}).get("session-bench")
        if table is not None:
            return table, f"[tool.session-bench] of {path}"
    return {}, "session-bench.toml"


def _read_environment(environ: dict[str, str]) -> dict[str, Any]:
    """Take SESSION_BENCH_USERS and the like; lists and tables are JSON there."""
    layer: dict[str, Any] = {}
    for name, text in environ.items():
        key = name.removeprefix(_PREFIX)
        if key == name or key in _ELSEWHERE:
            continue
        try:
            layer[key.lower()] = json.loads(text) if text[:1] in "[{" else text
        except ValueError as error:
            raise UsageError(f"{name} is not valid JSON: {error}.") from None
    return layer


def _refuse_unknown(layer: Any, where: str) -> None:
    if not isinstance(layer, dict):
        raise UsageError(f"{where} must be a table of settings, not {layer!r}.")
    for key in layer:
        if key not in Settings.model_fields:
            raise UsageError(f"{where} sets {key!r}, which is no setting; {nearest(key, Settings.model_fields)}.")


def _explain(error: ValidationError, layers: list[tuple[str, dict[str, Any]]]) -> str:
    """Turn the first problem into a sentence that names the layer it came from."""
    # Of a setting that may be several things, the last says what most values are meant to be.
    setting = error.errors()[0]["loc"][0]
    first = [each for each in error.errors() if each["loc"][0] == setting][-1]
    path = [str(part) for part in first["loc"]]
    key = ".".join(part for part in path if not part.isdecimal()) if setting in _TABLES else path[0]
    where = next((name for name, layer in reversed(layers) if path[0] in layer), "the profile")
    if first["type"] == "extra_forbidden":
        known = VariantTable if setting == "variants" else JudgeTable if "variants" in path else RegressTable
        return f"{where} sets {key!r}, which is no setting; {nearest(path[-1], known.model_fields)}."
    if first["type"] == "missing":
        return f"{where} lacks {key!r}: {_describe(path[-1])}."
    return f"{where} sets {key} = {first['input']!r}: {first['msg'].lower()}. {key} is {_describe(*path[:2])}."


def _describe(key: str, below: str = "") -> str:
    if key == "regress" and below in RegressTable.model_fields:
        return RegressTable.model_fields[below].description or below
    fields = {**VariantTable.model_fields, **Settings.model_fields}
    return fields[key].description or key if key in fields else key
