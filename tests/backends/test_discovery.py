from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import backends
from backends import discovery, memory, subjects
from backends.app import build
from backends.errors import ConfigurationError, MissingModule, extra_for
from backends.store import Options, Settings
from tests.backends.apps import configured

changes = st.fixed_dictionaries(
    {},
    optional={
        "codec": st.sampled_from(["json", "msgspec", "orjson", "pickle"]),
        "idle_s": st.floats(0.1, 31_536_000),
        "slide_at": st.floats(0.001, 1),
        "deadline_ms": st.integers(20, 60_000),
        "secure": st.booleans(),
        "max_sessions": st.integers(1, 100_000_000),
    },
)


def test_every_backend_is_a_file_with_a_summary_and_perhaps_a_server() -> None:
    found = discovery.found()
    assert {"none", "memory", "cookie", "redis", "mongodb", "postgres", "http"} <= set(found)
    for backend in found.values():
        assert backend.summary.endswith(".")
        assert backend.server is None or backend.server in {"redis", "mongodb", "postgres", "http"}


def test_every_subject_is_a_file_of_its_own_name() -> None:
    found = discovery.subjects()
    assert set(found) == {"starlette", "starsessions", "fastapi_sessions"}
    assert not set(found) & set(discovery.found())
    assert all(subject.summary.endswith(".") and subject.is_subject for subject in found.values())
    assert not any(backend.is_subject for backend in discovery.found().values())


def test_nothing_is_imported_until_it_is_used() -> None:
    code = (
        "import sys; from backends import discovery; discovery.found(); discovery.subjects(); "
        "discovery.parse('memory'); print(*{'redis', 'starsessions', 'fastapi_sessions', 'fastapi'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_what_is_no_backend_is_none_of_them() -> None:
    assert not {"store", "session", "subjects", "__main__", "app"} & set(discovery.found())


@given(options=changes)
def test_a_canonical_name_means_what_it_names(options: dict[str, Any]) -> None:
    variant = discovery.found()["memory"].variant(options, "memory")
    again = discovery.parse(variant.name)
    assert again.options == variant.options
    assert again.name == variant.name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("memory", "memory"),
        ("memory:codec=json", "memory"),
        ("memory:idle_s=3600.0,secure=no", "memory"),
        ("memory:secure=1,codec=orjson,idle_s=60.50", "memory:codec=orjson,idle_s=60.5,secure=true"),
        ("cookie:encrypted=true", "cookie:encrypted=true"),
        ("starsessions:store=redis,idle_s=3600", "starsessions:store=redis"),
        ("starlette:secure=1,idle_s=60", "starlette:idle_s=60,secure=true"),
        ("none:idle_s=3e7,absolute_s=31536000", "none:absolute_s=31536000,idle_s=30000000"),
    ],
)
def test_a_name(text: str, name: str) -> None:
    assert discovery.parse(text).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rediss", "There is no backend 'rediss'; did you mean 'redis'?"),
        ("zzz", r"There is no backend 'zzz' \(the backends are cookie, http, "),
        ("starsession", "There is no backend 'starsession'; did you mean 'starsessions'?"),
        ("zzz", r"the subjects fastapi_sessions, starlette, starsessions\)\."),
        ("starlette:codec=json", "starlette has no option 'codec'"),
        ("starsessions:store=disk", "store: Input should be 'memory' or 'redis', not 'disk'"),
        ("", "There is no backend ''"),
        ("memory:", "options are written key=value"),
        ("memory:secure", "options are written key=value with commas between them, not 'secure'"),
        ("memory:=1", "options are written key=value"),
        ("memory:idle_s=1,,", "options are written key=value"),
        ("memory:idle_s=1,idle_s=2", "the option idle_s is given twice"),
        ("memory:idel_s=1", "memory has no option 'idel_s'; did you mean 'idle_s'?"),
        ("memory:idle_s=0", "idle_s: Input should be greater than or equal to 0.1, not '0'"),
        ("memory:idle_s=nan", "idle_s: "),
        ("memory:secure=perhaps", "secure: Input should be a valid boolean"),
        ("memory:codec=yaml", "codec: Input should be 'json', 'msgspec', 'orjson' or 'pickle', not 'yaml'"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        discovery.parse(text)
    assert "\n" not in str(caught.value)


@given(text=st.text(max_size=30) | st.text(max_size=20).map("memory:".__add__))
def test_any_text_is_a_variant_or_an_error(text: str) -> None:
    try:
        variant = discovery.parse(text)
    except ConfigurationError:
        return
    assert isinstance(variant.options, Options)


@pytest.mark.parametrize(
    ("text", "environ", "message"),
    [
        ("starsessions:store=redis", {"SESSION_APP_STORE_URL": ""}, "give it the URL of a server of the kind redis"),
        ("starsessions:store=redis", {"SESSION_APP_STORE_URL": "ftp://:hunter2@host"}, "Redis URL must specify"),
        ("redis:pool=5,tuning=stock", {}, "redis:pool=5,tuning=stock: .*tuning"),
        ("redis", {"SESSION_APP_STORE_URL": "ftp://:hunter2@host"}, "redis: the store's URL must begin with"),
    ],
)
def test_what_a_backend_itself_refuses(text: str, environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        build(configured(text, **{"SESSION_APP_STORE_URL": "redis://host", **environ}))
    assert "hunter2" not in str(caught.value)
    assert "Value error" not in str(caught.value)


@pytest.mark.parametrize("mark", ["SERVER = None", "SERVER: str | None = None"])
def test_a_new_backend_is_one_new_file(mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(memory.__file__).read_text().replace("SERVER: str | None = None", mark)
    (tmp_path / "shelf.py").write_text(source.replace('"""A dictionary', '"""A shelf', 1))
    (tmp_path / "helper.py").write_text("raise AssertionError('imported though it is no backend')")
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(tmp_path)])
    discovery.found.cache_clear()
    try:
        assert discovery.found()["shelf"].summary.startswith("A shelf")
        assert discovery.parse("shelf:idle_s=5").name == "shelf:idle_s=5"
        assert build(configured("shelf"))
    finally:
        discovery.found.cache_clear()
        sys.modules.pop("backends.shelf")


def test_a_new_subject_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(subjects.__path__[0], "starlette.py").read_text()
    (tmp_path / "crate.py").write_text(source.replace('"""Starlette\'s own', '"""A crate: Starlette\'s own', 1))
    monkeypatch.setattr(subjects, "__path__", [*subjects.__path__, str(tmp_path)])
    discovery.subjects.cache_clear()
    try:
        assert discovery.subjects()["crate"].summary.startswith("A crate")
        assert discovery.parse("crate:idle_s=5").name == "crate:idle_s=5"
        assert build(configured("crate"))
    finally:
        discovery.subjects.cache_clear()
        sys.modules.pop("backends.subjects.crate")


def test_a_missing_driver_hurts_its_own_backend_and_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "backends.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(MissingModule) as caught:
        discovery.parse("postgres")
    assert (caught.value.module, caught.value.extra) == ("asyncpg", "postgres")
    assert "postgres needs the module asyncpg" in str(caught.value)
    assert "pip install 'session-bench[postgres]' brings it" in str(caught.value)
    assert discovery.parse("memory").name == "memory"


def test_a_driver_that_only_an_option_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    settings = Settings("", bytes(32), "test", b"")
    discovery.parse("cookie").make_store(settings)
    with pytest.raises(MissingModule) as caught:
        discovery.parse("cookie:encrypted=true").make_store(settings)
    assert (caught.value.module, caught.value.extra) == ("cryptography", "encryption")


def test_a_mistake_of_our_own_is_no_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "backends.memory", raising=False)
    monkeypatch.setitem(sys.modules, "backends.store", None)
    with pytest.raises(ModuleNotFoundError, match=r"backends\.store"):
        discovery.parse("memory")


def test_a_module_that_no_extra_brings() -> None:
    assert extra_for("antigravity") is None
    assert MissingModule("this", "antigravity").install == "pip install antigravity"
