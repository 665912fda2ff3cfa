from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness import config
from harness.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def load(tmp_path: Path, toml: str = "", environ: dict[str, str] | None = None, **flags: Any) -> config.Settings:
    if toml:
        (tmp_path / "session-bench.toml").write_text(toml)
    return config.load(flags, folder=tmp_path, environ=environ or {})


def test_the_built_in_default_is_quick(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings.profile, settings.blocks, settings.window_s, settings.sessions) == (
        "quick",
        3,
        3,
        10_000,
    )
    assert settings.compare[0] == "none"
    assert len(settings.compare) == 8


def test_each_layer_overrides_the_weaker_ones(tmp_path: Path) -> None:
    toml = "users = 1\nblocks = 1\nwarmup_s = 0.1\n"
    settings = load(tmp_path, toml, {"SESSION_BENCH_USERS": "2", "SESSION_BENCH_BLOCKS": "2"}, users=3)
    assert (settings.users, settings.blocks, settings.warmup_s, settings.window_s) == (3, 2, 0.1, 3)


def test_the_strongest_layer_chooses_the_profile(tmp_path: Path) -> None:
    assert load(tmp_path, 'profile = "standard"').blocks == 12
    assert load(tmp_path, 'profile = "standard"', profile="thorough").sessions == 1_000_000


def test_a_profile_of_ones_own(tmp_path: Path) -> None:
    toml = "profile = 'nightly'\n[profiles.nightly]\nblocks = 7\nwarmup_s = 1\nwindow_s = 2\nsessions = 0\n"
    assert load(tmp_path, toml).blocks == 7


def test_parameters_of_all_layers_are_merged(tmp_path: Path) -> None:
    settings = load(tmp_path, "[parameters]\nreads = 1\nwrites = 2\n", parameters={"reads": 5})
    assert settings.parameters == {"reads": 5, "writes": 2}


def test_pyproject_is_read_where_there_is_no_file_of_our_own(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.session-bench]\nusers = 9\n")
    assert load(tmp_path).users == 9


def test_the_environment_may_hold_json(tmp_path: Path) -> None:
    assert load(tmp_path, environ={"SESSION_BENCH_COMPARE": '["none", "memory"]'}).compare == [
        "none",
        "memory",
    ]


def test_urls_of_servers_are_no_settings(tmp_path: Path) -> None:
    assert load(tmp_path, environ={"SESSION_BENCH_REDIS_URL": "redis://localhost"}).users == 64


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("user = 5", ["session-bench.toml", "'user'", "did you mean 'users'?"]),
        ("users = 0", ["session-bench.toml", "users = 0", "greater than 0"]),
        ("users = 'many'", ["users = 'many'", "integer"]),
        ("compare = []", ["compare"]),
        ("[variants.x]\nbackend = 'redis'\nworker = 2\n", ["variants.x.worker", "did you mean 'workers'?"]),
        ("[profiles.mine]\nblocs = 2\n", []),
        ("profile = 'quikc'", ["'quikc'", "did you mean 'quick'?"]),
        ("users = = 5", ["session-bench.toml", "not valid TOML", "line 1"]),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, toml: str, says: list[str]) -> None:
    flags: dict[str, Any] = {"profile": "mine"} if "profiles" in toml else {}
    with pytest.raises(UsageError) as error:
        load(tmp_path, toml, **flags)
    assert all(part in str(error.value) for part in says), str(error.value)


def test_an_unknown_name_in_the_environment_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'users'"):
        load(tmp_path, environ={"SESSION_BENCH_USRES": "5"})


def test_broken_json_in_the_environment_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="SESSION_BENCH_COMPARE is not valid JSON"):
        load(tmp_path, environ={"SESSION_BENCH_COMPARE": "[none"})
