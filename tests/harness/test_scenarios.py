from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness import scenarios
from harness.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_every_scenario_of_ours_says_what_it_is() -> None:
    found = scenarios.discover()
    assert set(found) == {"login_profile", "read_heavy", "write_heavy", "login_storm", "big_session", "shared_session"}
    assert all(scenario.summary and scenario.parameters for scenario in found.values())


def test_a_users_own_locustfile_needs_no_parameters(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text('"""What my users do.\n\nAt length.\n"""\n')
    assert scenarios.find(str(path)) == scenarios.Scenario(str(path), path, "What my users do.", {})


def test_parameters_take_the_type_of_their_default() -> None:
    scenario = scenarios.find("login_profile")
    assert scenarios.check_parameters(scenario, {"reads": "3"}) == {**scenario.parameters, "reads": 3}


@pytest.mark.parametrize(
    ("given", "says"),
    [({"raeds": "1"}, "did you mean 'reads'"), ({"reads": "many"}, "takes int, not 'many'")],
)
def test_a_wrong_parameter_is_named(given: dict[str, float | int | str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        scenarios.check_parameters(scenarios.find("login_profile"), given)


def test_an_unknown_scenario_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'read_heavy'"):
        scenarios.find("read_havy")


@pytest.mark.parametrize(
    ("source", "says"),
    [("def (:", "not valid Python"), ("PARAMETERS = make()", "literal dictionary")],
)
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, source: str, says: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(source)
    with pytest.raises(UsageError, match=says):
        scenarios.find(str(path))


def test_a_file_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UsageError, match="no scenario file"):
        scenarios.find("nowhere/x.py")
