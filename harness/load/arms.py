"""Several arms under one load: whose a user is, and that the users of every arm choose the same steps."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from locust.user.task import DefaultTaskSet, TaskSet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from locust import User
    from locust.env import Environment

    from harness.load.recorder import Flight


def install(environment: Environment, flight_of: Callable[[User], Flight], hosts: Sequence[str], seed: str) -> None:
    """Give every user one of the hosts, in turn, before anything of it is made.

    Each arm's n-th choice of a step is the same as every other arm's n-th: that one drew more writes by chance is no
    difference between them. A scenario that chooses its steps itself goes on doing so.
    """
    for user_class in environment.user_classes:
        user_class.__init__ = _belonging(user_class.__init__, flight_of, hosts)  # type: ignore[method-assign]
    choices = [random.Random(seed) for _ in hosts]  # noqa: S311 - a load is no secret
    for tasks, of in ((TaskSet, lambda tasks: tasks), (DefaultTaskSet, lambda tasks: tasks.user)):
        tasks.get_next_task = _alike(tasks.get_next_task, of, flight_of, choices)  # type: ignore[method-assign]


def _belonging(
    initialize: Callable[..., None], flight_of: Callable[[User], Flight], hosts: Sequence[str]
) -> Callable[..., None]:
    def initialize_in_an_arm(user: User, *arguments: Any, **named: Any) -> None:
        user.host = hosts[flight_of(user).arm]
        initialize(user, *arguments, **named)

    return initialize_in_an_arm


def _alike(
    choose: Callable[[TaskSet], Any],
    of: Callable[[TaskSet], Any],
    flight_of: Callable[[User], Flight],
    choices: Sequence[random.Random],
) -> Callable[[TaskSet], Any]:
    def next_task(tasks: TaskSet) -> Any:
        known = of(tasks).tasks
        # Without tasks Locust's own has the words for what is wrong.
        return choices[flight_of(tasks.user).arm].choice(known) if known else choose(tasks)

    return next_task
