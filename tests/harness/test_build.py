"""Both arms are built the same way, are what they are said to be, and are there at once the second time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness import build, installers
from harness.errors import ComponentError, UsageError
from harness.processes import Processes
from harness.requirements import RefusedError
from harness.shelf import Hold
from reports.record.judgement import Revision
from tests.harness.checkouts import Checkout

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
OTHER_IDNA = "3.7"


class Builder:
    """Builds both arms of a project and keeps what was said."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.cache = cache
        self.said: list[str] = []

    def __call__(
        self, base: str | None = None, *, with_: tuple[str, ...] = (), python: str | None = None
    ) -> tuple[build.Built, build.Built]:
        self.said.clear()
        return build.build_both(
            root=self.folder,
            base_ref=base,
            base_with=with_,
            base_python=python,
            cache=self.cache,
            say=self.said.append,
        )

    @property
    def built(self) -> list[str]:
        return [said.split()[1] for said in self.said if said.startswith("Building")]


@pytest.fixture(scope="session")
def index() -> None:
    """Skip where the index that uv or pip is set to cannot be reached: nothing can be built then."""
    with Processes() as processes, tempfile.TemporaryDirectory() as folder:
        Checkout(Path(folder))
        python = installers.interpreter(None)
        try:
            tool = installers.choose(processes)
            tool.wheel(Path(folder), processes.folder / "wheel", python)
            (wheel,) = (processes.folder / "wheel").glob("*.whl")
            tool.pins(Path(folder), wheel, python, [], [])
        except RefusedError as error:
            pytest.skip(f"the package index is not reachable: {error}")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder for temporary files in which nothing may be left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "shop").init()


@pytest.fixture
def builder(checkout: Checkout, cache: Path, index: None, temporary: Path) -> Builder:  # noqa: ARG001 - both only guard
    return Builder(checkout.folder, cache)


def run(built: build.Built, code: str) -> str:
    """Run code as an arm runs: in its folder, by its interpreter."""
    done = subprocess.run([built.python, "-c", code], cwd=built.cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_change_is_in_head_alone_and_both_are_installed_alike(checkout: Checkout, builder: Builder) -> None:
    checkout.write("backends/__init__.py", 'import idna\n\nSTATE = "second"\n')
    checkout.write("backends/new.py", "")
    base, head = builder("HEAD")
    assert builder.built == ["base", "head"]
    assert [run(built, "import backends; print(backends.STATE)") for built in (base, head)] == ["first", "second"]
    assert len(str(base.cwd)) == len(str(head.cwd))
    assert len(base.python) == len(head.python)
    assert (base.revision.label, base.revision.dirty) == ("HEAD", False)
    assert (head.revision.label, head.revision.dirty) == ("this tree", True)
    assert base.revision.commit == head.revision.commit == checkout.git("rev-parse", "HEAD")
    assert set(base.revision.packages) == {"idna"}
    assert build.differences(base.revision, head.revision) == []
    for built, other in ((base, head), (head, base)):
        source = run(built, "import backends; print(backends.__file__)")
        assert build.under(source, built)
        assert not build.under(source, other)
        compiled = {path.name.partition(".")[0] for path in built.cwd.glob("*/__pycache__/*.pyc")}
        assert {"__init__", "idnadata"} <= compiled
    builder("HEAD")
    assert builder.built == []
    assert builder.said == []


def test_a_tree_against_itself_has_two_environments(checkout: Checkout, builder: Builder) -> None:
    base, head = builder("HEAD")
    assert "Base and head are the same tree: this compares it with itself." in builder.said
    assert base.cwd != head.cwd
    checkout.write("NOTES", "no part of the wheel")
    base, head = builder("HEAD")
    assert builder.built == []
    assert "Base and head install the very same files" in builder.said[-1]
    assert head.revision.dirty


def test_base_alone_is_held_to_another_version(builder: Builder) -> None:
    base, head = builder(with_=(f"idna=={OTHER_IDNA}",))
    assert base.revision.label == f"idna=={OTHER_IDNA}"
    assert base.revision.packages["idna"] == OTHER_IDNA
    (difference,) = build.differences(base.revision, head.revision)
    assert re.fullmatch(rf"idna {OTHER_IDNA} in base, [\d.]+ in head", difference)


def test_a_base_that_requires_something_else_gets_it(checkout: Checkout, builder: Builder) -> None:
    checkout.require('"idna<3.9"')
    checkout.commit("older")
    checkout.require('"idna>=3.4", "sniffio"')
    base, head = builder("HEAD")
    assert set(head.revision.packages) - set(base.revision.packages) == {"sniffio"}
    assert base.revision.packages["idna"] == "3.8" != head.revision.packages["idna"]


def test_a_lock_of_its_own_is_kept_to(checkout: Checkout, builder: Builder) -> None:
    checkout.write("uv.lock", f'version = 1\n\n[[package]]\nname = "idna"\nversion = "{OTHER_IDNA}"\n')
    checkout.commit("locked")
    (checkout.folder / "uv.lock").unlink()
    base, head = builder("HEAD")
    assert base.revision.packages["idna"] == OTHER_IDNA != head.revision.packages["idna"]
    assert "Resolving what base requires, as its own uv.lock says." in builder.said


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ("idna==99", r"base \(idna==99\) cannot be resolved: .*idna==99.* Hold base to versions that go together"),
        ("idma==3.7", r"--base-with idma: the project does not require it\. Did you mean idna\?"),
        ("tiny-shop==2", r"that is the project itself|tiny-shop==2"),
    ],
)
def test_versions_that_cannot_be_had_are_explained(builder: Builder, held: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        builder(with_=(held,))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("held", ["idna", "idna=3.7", "==3.7", "idna @ https://me:hunter2@example.org/idna.whl", ""])
def test_what_is_no_version_is_refused(tmp_path: Path, held: str) -> None:
    with pytest.raises(UsageError, match=r"takes PKG==VERSION, such as redis==7.1") as caught:
        Builder(tmp_path, tmp_path)(with_=(held,))
    assert "hunter2" not in str(caught.value)


def test_nothing_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Nothing sets base apart from head"):
        Builder(tmp_path, tmp_path)()


@pytest.mark.parametrize("program", ["/nowhere/python", "no-such-python", "/bin/true"])
def test_an_interpreter_that_is_none_is_named(checkout: Checkout, tmp_path: Path, program: str) -> None:
    with pytest.raises(UsageError, match=f"--base-python {program}: "):
        Builder(checkout.folder, tmp_path / "cache")(python=program)


def test_an_interpreter_of_the_users_own_serves_base(builder: Builder) -> None:
    base, head = builder(python=sys.executable)
    assert base.revision.label == f"on {sys.executable}"
    assert (
        base.revision.python == head.revision.python == run(base, "import platform; print(platform.python_version())")
    )


def test_a_wheel_that_cannot_be_built_is_explained(checkout: Checkout, builder: Builder) -> None:
    checkout.write("pyproject.toml", (checkout.folder / "pyproject.toml").read_text().replace('"1.0"', '"one"'))
    with pytest.raises(ComponentError, match=r"The wheel of head \(this tree\) cannot be built: .*") as caught:
        builder("HEAD")
    assert "\n" not in str(caught.value)


def test_a_wheel_without_backends_is_explained(checkout: Checkout, builder: Builder) -> None:
    text = (checkout.folder / "pyproject.toml").read_text()
    checkout.write("pyproject.toml", text.replace('["backends"]', '["other"]'))
    checkout.write("other/__init__.py", "")
    with pytest.raises(ComponentError, match="its wheel holds no `backends` package"):
        builder("HEAD")


def test_passwords_of_an_index_stay_out_of_errors(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Port 9 discards: nobody listens there.
    for name in ("UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "http://me:hunter2@127.0.0.1:9/simple")
    for name in ("UV_HTTP_RETRIES", "PIP_RETRIES"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    builder = Builder(checkout.folder, tmp_path / "cache")
    with pytest.raises(ComponentError, match=r"The requirements of head \(this tree\) cannot be resolved: ") as caught:
        builder("HEAD")
    assert "hunter2" not in f"{caught.value} {builder.said}"
    found = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert not any(b"hunter2" in path.read_bytes() for path in found)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("at https://me:p@ss@host/simple", "at https://…@host/simple"),
        ("at https://token@host/simple and a@b", "at https://…@host/simple and a@b"),
        ("the key is s3cr3t-token", "the key is …"),
    ],
)
def test_secrets_are_struck_out(monkeypatch: pytest.MonkeyPatch, text: str, clean: str) -> None:
    monkeypatch.setenv("UV_INDEX_OURS_PASSWORD", "s3cr3t-token")
    assert installers.without_secrets(text) == clean


PIP_SAID = """\
Collecting fastapi
ERROR: Cannot install shop and shop[all]==1 because these package versions have conflicting dependencies.

The conflict is caused by:
    fastapi 0.165.0 depends on starlette>=1.6.0
    The user requested (constraint) starlette==0.20

To fix this you could try to:
1. loosen the range of package versions you've specified

ERROR: ResolutionImpossible: for help visit https://pip.example.org/
"""
UV_SAID = f"""\
error: No solution found when resolving dependencies
  cause: Because there is much to say {"and more " * 100}
         we can conclude that it is unclear.

         And because shop depends on fastapi>=0.120, we can conclude that your requirements are unsatisfiable.
"""


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            PIP_SAID,
            (
                "Cannot install shop and shop[all]==1 because these package versions have conflicting dependencies. "
                "The conflict is caused by: fastapi 0.165.0 depends on starlette>=1.6.0 The user requested "
                "(constraint) starlette==0.20"
            ),
        ),
        (
            UV_SAID,
            "And because shop depends on fastapi>=0.120, we can conclude that your requirements are unsatisfiable",
        ),
        ("error: Failed to fetch\n  cause: no route\n  cause: to host\n", "Failed to fetch: no route: to host"),
        ("warning: slow\n", "warning: slow"),
        ("", "it said nothing"),
        ("word " * 400, f"{'word ' * 60} … {'word ' * 60}".replace("  ", " ").rstrip()),
    ],
)
def test_a_tool_is_quoted_in_one_paragraph(said: str, told: str) -> None:
    assert installers.reason(said).split() == told.split()


@pytest.mark.skipif(find_spec("pip") is None, reason="there is no pip beside this interpreter")
def test_without_uv_pip_builds_both(builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installers, "choose", installers.Pip)
    builder.cache = tmp_path / "cache"
    base, head = builder(with_=(f"idna=={OTHER_IDNA}",))
    assert any(" with pip " in said for said in builder.said)
    assert base.revision.packages == {"idna": OTHER_IDNA}
    assert set(head.revision.packages) == {"idna"}
    for built in (base, head):
        assert build.under(run(built, "import backends; print(backends.__file__)"), built)
        assert list(built.cwd.glob("backends/__pycache__/*.pyc"))


BUILD = """
import sys
from functools import partial
from pathlib import Path
from harness import build
build.build_both(root=Path(sys.argv[1]), base_ref="HEAD", base_with=[], base_python=None, cache=Path(sys.argv[2]),
                 say=partial(print, flush=True))
"""


def test_what_is_killed_leaves_nothing(checkout: Checkout, builder: Builder, temporary: Path, tmp_path: Path) -> None:
    builder.cache = tmp_path / "cache"
    command = [sys.executable, "-c", BUILD, str(checkout.folder), str(builder.cache)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as broken:
        assert broken.stdout is not None
        while "Building base" not in broken.stdout.readline():
            assert broken.poll() is None
        broken.send_signal(signal.SIGKILL)
    assert broken.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while list(temporary.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)  # it is the reaper that tidies up
    base, head = builder("HEAD")
    assert {path for path in (builder.cache / "built").iterdir() if path.is_dir()} == {
        Path(built.python).parents[1] for built in (base, head)
    }


def test_differences_are_told_in_words() -> None:
    base = Revision(label="base", python="3.11.7", packages={"redis": "7.1.0", "orjson": "3.13.0", "idna": "3.7"})
    head = Revision(label="head", python="3.12.1", packages={"redis": "8.1.0", "msgspec": "0.22.0", "idna": "3.7"})
    assert build.differences(base, head) == [
        "Python 3.11.7 in base, 3.12.1 in head",
        "msgspec 0.22.0 in head only",
        "orjson 3.13.0 in base only",
        "redis 7.1.0 in base, 8.1.0 in head",
    ]


def test_an_unknown_source_is_under_nothing(tmp_path: Path) -> None:
    with Processes() as processes:
        hold = Hold(os.open(processes.folder, os.O_RDONLY))
    built = build.Built(sys.executable, tmp_path, Revision(label="head"), hold)
    assert not build.under("", built)
    assert not build.under(str(tmp_path.parent), built)
    assert build.under(str(tmp_path / "backends"), replace(built))
    hold.release()
