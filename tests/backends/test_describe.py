"""`python -m backends`: what the harness and every other caller sees."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from backends import codecs, discovery, seeding
from backends.__main__ import main
from backends.store import Settings
from tests.backends.apps import KEY

if TYPE_CHECKING:
    from tests.conftest import Servers


def describe(capsys: pytest.CaptureFixture[str], *variants: str) -> dict[str, Any]:
    assert main(["describe", *variants]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def test_everything_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    said = describe(capsys)
    assert said["contract"] == 1
    assert said["variants"] == {}
    assert len(said["source"]["digest"]) == 64
    assert said["python"] == ".".join(map(str, sys.version_info[:3]))
    assert said["backends"].keys() == discovery.found().keys()
    assert said["subjects"].keys() == discovery.subjects().keys()
    for name, backend in (said["backends"] | said["subjects"]).items():
        assert backend["missing"] is None, name
        assert backend["traits"]["keeps"] in {"nothing", "process", "client", "server"}
        assert (backend["server"] is None) is (backend["traits"]["keeps"] != "server")
        jsonschema.Draft202012Validator.check_schema(backend["options"])
        for option, schema in backend["options"]["properties"].items():
            assert schema["description"], f"{name}: {option}"
            assert "default" in schema, f"{name}: {option}"
        assert set(backend["server_options"]) <= backend["options"]["properties"].keys()


def test_only_what_is_asked_about_is_imported() -> None:
    code = (
        "import contextlib, io, sys\nfrom backends.__main__ import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n    main(['describe', 'redis:pool=3', 'memory'])\n"
        "print(*sorted({'redis', 'pymongo', 'asyncpg', 'httpx', 'starsessions'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["redis"]


def test_defaults_fulfil_their_own_schema(capsys: pytest.CaptureFixture[str]) -> None:
    said = describe(capsys, *discovery.found(), *discovery.subjects())
    for name, variant in said["variants"].items():
        jsonschema.validate(variant["options"], (said["backends"] | said["subjects"])[name]["options"])


def test_variants(capsys: pytest.CaptureFixture[str]) -> None:
    texts = ("redis:aof=always,pool=32", "cookie:encrypted=1", "redis:pol=3", "reddis", "cookie:codec=pickle")
    said = describe(capsys, *texts)["variants"]
    assert list(said) == list(texts)
    redis = said["redis:aof=always,pool=32"]
    assert (redis["name"], redis["backend"], redis["server"]) == ("redis:aof=always", "redis", "redis")
    assert redis["server_options"] == {"aof": "always"}
    assert redis["driver"]["name"] == "redis"
    assert redis["missing"] is redis["error"] is None
    cookie = said["cookie:encrypted=1"]
    assert (cookie["name"], cookie["server"]) == ("cookie:encrypted=true", None)
    assert cookie["driver"]["name"] == "cryptography"
    assert "did you mean 'pool'" in said["redis:pol=3"]["error"]["text"]
    assert "did you mean 'redis'" in said["reddis"]["error"]["text"]
    assert "codec=pickle runs code" in said["cookie:codec=pickle"]["error"]["text"]
    assert said["reddis"]["options"] is said["reddis"]["server"] is None


def test_an_option_may_say_which_server_a_subject_needs(capsys: pytest.CaptureFixture[str]) -> None:
    texts = ("redis", "starsessions", "starsessions:store=redis")
    ours, memory, redis = (describe(capsys, *texts)["variants"][text] for text in texts)
    assert memory.keys() == redis.keys() == ours.keys()
    assert (memory["server"], memory["traits"]["keeps"]) == (None, "process")
    assert (redis["server"], redis["traits"]["keeps"]) == ("redis", "server")
    assert redis["traits"].keys() == ours["traits"].keys()
    assert redis["driver"] == {"name": "starsessions", "version": "2.2.1"}


@pytest.mark.parametrize(
    ("module", "subject"),
    [("starsessions", "starsessions"), ("fastapi_sessions", "fastapi_sessions"), ("itsdangerous", "starlette")],
)
def test_a_missing_library_hurts_its_own_subject_and_names_the_extra(
    module: str, subject: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    describe(capsys)  # what several libraries need is missing for the one that has not been imported by then
    monkeypatch.delitem(sys.modules, f"backends.subjects.{subject}")
    monkeypatch.delitem(sys.modules, "starlette.middleware.sessions", raising=False)
    for loaded in [module, *(name for name in sys.modules if name.startswith(f"{module}."))]:
        monkeypatch.setitem(sys.modules, loaded, None)
    said = describe(capsys)
    asked = describe(capsys, subject, "memory")
    assert asked["subjects"] == {subject: said["subjects"][subject]}
    assert asked["backends"] == {"memory": said["backends"]["memory"]}
    missing = {"module": module, "extra": "subjects", "install": "pip install 'session-bench[subjects]'"}
    assert said["subjects"][subject]["missing"] == asked["variants"][subject]["missing"] == missing
    assert said["subjects"][subject]["summary"]
    assert {name for name, each in said["subjects"].items() if each["missing"]} == {subject}
    assert all(each["missing"] is None for each in said["backends"].values())


def test_what_is_missing_is_said_and_the_rest_is_described(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "backends.redis", raising=False)
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "orjson", None)
    said = describe(capsys, "redis:pool=3", "memory:codec=orjson")
    missing = {"module": "redis", "extra": "redis", "install": "pip install 'session-bench[redis]'"}
    redis = said["backends"]["redis"]
    assert redis["missing"] == said["variants"]["redis:pool=3"]["missing"] == missing
    assert (redis["server"], redis["options"]) == ("redis", None)
    assert redis["summary"]
    assert said["backends"]["memory"]["missing"] is None
    memory = said["variants"]["memory:codec=orjson"]
    assert (memory["missing"]["module"], memory["missing"]["extra"]) == ("orjson", "codecs")
    assert memory["name"] == "memory:codec=orjson"


def test_it_runs_as_a_program_without_a_word_on_stderr() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "backends", "describe", "memory"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.stderr == ""
    assert json.loads(done.stdout)["variants"]["memory"]["traits"]["keeps"] == "process"


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, namespace: str) -> dict[str, str]:
    for name in [name for name in os.environ if name.startswith("SESSION_APP_")]:
        monkeypatch.delenv(name)
    changed = {"SESSION_APP_KEY": KEY, "SESSION_APP_NAMESPACE": namespace}
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    return changed


@pytest.mark.parametrize(
    "backend", [*(each.name for each in discovery.found().values() if each.server), "starsessions:store=redis"]
)
@pytest.mark.usefixtures("environ")
def test_sessions_are_seeded_and_counted(
    backend: str, servers: Servers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = discovery.parse(backend).server
    assert server is not None
    monkeypatch.setenv("SESSION_APP_BACKEND", backend)
    monkeypatch.setenv("SESSION_APP_STORE_URL", servers.get(server).url)
    assert main(["seed", "--sessions", "2100", "--expiring-share", "0.05", "--expiring-within-s", "600"]) == 0
    seeded = json.loads(capsys.readouterr().out)
    assert seeded["sessions"] == 2100
    assert 1000 < seeded["bytes_per_session"] < 1200
    assert main(["count"]) == 0
    assert 2090 <= json.loads(capsys.readouterr().out)["records"] <= 2100


@pytest.mark.parametrize("backend", ["none", "memory", "cookie", *discovery.subjects()])
@pytest.mark.usefixtures("environ")
def test_what_lies_in_no_server_cannot_be_seeded_from_outside(
    backend: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SESSION_APP_BACKEND", backend)
    assert main(["seed", "--sessions", "10"]) == 0
    assert json.loads(capsys.readouterr().out) == {"sessions": 0, "in_process": True}
    assert main(["count"]) == 0
    assert json.loads(capsys.readouterr().out) == {"records": 0, "in_process": True}


@pytest.mark.parametrize("command", [["seed", "--sessions", "1"], ["count"]])
@pytest.mark.usefixtures("environ")
def test_a_store_that_refuses_is_one_line_and_exit_code_4(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SESSION_APP_BACKEND", "redis")
    monkeypatch.setenv("SESSION_APP_STORE_URL", "redis://:hunter2@127.0.0.1:1")
    assert main(command) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("The session store of redis is unavailable: ")
    assert said.err.count("\n") == 1
    assert "hunter2" not in said.err


@pytest.mark.usefixtures("environ")
def test_a_configuration_that_cannot_be_is_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SESSION_APP_BACKEND", "redis:pool=none")
    assert main(["count"]) == 2
    assert capsys.readouterr().err.startswith("redis:pool=none: pool: Input should be a valid integer")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["explain"],
        ["seed"],
        ["seed", "--sessions", "-1"],
        ["seed", "--sessions", "1", "--expiring-share", "2"],
        ["seed", "--sessions", "1", "--expiring-within-s", "inf"],
    ],
)
def test_arguments_that_make_no_sense(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: python -m backends" in capsys.readouterr().err


def test_expiring_sessions_expire(servers: Servers, namespace: str) -> None:
    variant = discovery.parse("redis")
    store = variant.make_store(Settings(servers.get("redis").url, bytes(32), namespace, b""))

    async def run() -> tuple[int, int]:
        await store.open()
        await seeding.seed(store, codecs.load("json"), 200, expiring_share=0.5, expiring_within_s=2.0)
        before = await store.count()
        await asyncio.sleep(2.1)
        after = await store.count()
        await store.close()
        return before, after

    began = time.monotonic()
    before, after = asyncio.run(run())
    assert before > after
    assert 60 < after < 140
    assert time.monotonic() - began < 30
