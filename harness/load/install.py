"""Our options on Locust's command line, and what they put into a run: client, gate, recorder, conductor."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import gevent
from locust import FastHttpUser, events
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from harness.load import arms, client, conductor, gate, locust_stats, spool, workers
from harness.load.conductor import Conductor, Timing
from harness.load.duet import Duet, Program
from harness.load.recorder import Recorder

if TYPE_CHECKING:
    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment

    from harness.load.gate import Gate
    from harness.load.spool import Sink


def install() -> None:
    """Add our options to Locust's command line, and what they ask for to a run that uses them."""
    events.init_command_line_parser.add_listener(_add_options)
    events.init.add_listener(_set_up)


def _add_options(parser: LocustArgumentParser) -> None:
    def add(name: str, default: Any, says: str, **more: Any) -> None:
        parser.add_argument(
            name,
            default=default,
            type=type(default),
            help=f"session-bench: {says}",
            include_in_web_ui=False,
            **more,
        )

    add("--client", "lean", "who sends a FastHttpUser's requests: we, or Locust's client", choices=["lean", "stock"])
    add("--spool", "", "record every request into this folder, and end when the phases below are over", metavar="DIR")
    add("--rate", 0.0, "open load of so many arrivals a second; 0: closed load")
    add("--arrivals", "exponential", "intervals between arrivals", choices=["exponential", "constant"])
    add("--warmup-s", 1.0, "load before the window")
    add("--warmup-most-s", 0.0, "load before the window until it is steady; not above --warmup-s: fixed")
    add("--window-s", 3.0, "load that counts")
    add("--drain-s", 2.0, "what arrived in the window may finish so long after it")
    add("--closed-s", 0.0, "closed load behind an open window")
    add("--closed-users", 16, "its loops")
    add("--seed", 0, "seeds arrivals and the users' choices")
    add("--arms", "", "two apps under one load: users belong to one each, arrivals draw whose they are", metavar="URLS")
    add("--duets", 1, "windows of a trial with --arms, one after the other")
    add("--slices", "", "behind them, slices of one arm each: their numbers in a row, such as 0110", metavar="ARMS")
    add("--slice-s", 0.25, "how long a slice is")
    add("--gap-s", 0.02, "how long nothing comes between two slices")


def _set_up(environment: Environment, **_: Any) -> None:
    if not isinstance(environment.runner, WorkerRunner):
        _equip(environment)
        _record(environment)
        return
    left = [_equip, _record]

    def set_up_once(**_: Any) -> None:
        while left:
            left.pop(0)(environment)

    # A worker has the master's options from its first spawning on, not from its own command line.
    environment.events.test_start.add_listener(set_up_once)


def _equip(environment: Environment) -> None:
    options: Any = environment.parsed_options
    if options.client == "lean":
        locust_stats.install(environment)
        for user_class in environment.user_classes:
            if issubclass(user_class, FastHttpUser):
                client.equip(user_class)


def _record(environment: Environment) -> None:
    options: Any = environment.parsed_options
    runner = environment.runner
    if not options.spool and not options.rate:
        return
    _refuse_what_cannot_be(environment)
    if options.spool:
        # Locust's own exit code is 1 for any failed request; the harness judges the trial from its data.
        environment.events.quitting.add_listener(_exit_well)
    if isinstance(runner, MasterRunner):
        workers.Master(environment, runner, Path(options.spool))
        return
    worker = runner.worker_index if isinstance(runner, WorkerRunner) else 0
    # Each worker has its own numbers: they would all make the same choices after a fork.
    random.seed(f"{options.seed}/{worker}")
    hosts = list(filter(None, options.arms.split(",")))
    recorder = Recorder(environment, _sink(runner, options.spool), arms=max(1, len(hosts)))
    opened = None
    if options.rate:
        opened = gate.Gate(recorder.flight, seed=f"arrivals {options.seed}/{worker}", arms=max(1, len(hosts)))
        gate.install(opened)
    program = None
    if hosts:
        arms.install(environment, recorder.flight, hosts, seed=f"steps {options.seed}")
        program = Program(Duet.of(options), Path(options.spool))
    if isinstance(runner, WorkerRunner):
        workers.Worker(environment, runner, Conductor(recorder, opened))
    elif options.spool:
        _conduct(environment, Conductor(recorder, opened, program), Path(options.spool))
    elif opened is not None:
        _open(environment, opened)


def _refuse_what_cannot_be(environment: Environment) -> None:
    options: Any = environment.parsed_options
    alone = isinstance(environment.runner, LocalRunner)
    if not environment.user_classes:
        sys.exit("the scenario defines no user class")
    if not options.spool and not alone:
        sys.exit("--rate over several workers needs --spool DIR: they are led and recorded together")
    if options.arms and not (alone and options.spool and options.rate):
        sys.exit("--arms needs --rate and --spool DIR, and one process: both arms are loaded from one place")


def _sink(runner: Any, folder: str) -> Sink:
    if isinstance(runner, WorkerRunner):
        return workers.Channel(runner)
    return spool.Folder(Path(folder), 0) if folder else spool.Nowhere()


def _conduct(environment: Environment, lead: Conductor, folder: Path) -> None:
    """Lead this process through a trial as soon as its users are there."""
    runner: Any = environment.runner
    timing = Timing.of(environment)

    def conduct() -> None:
        begin_ns = monotonic_ns()
        lead.run(timing, begin_ns, lambda: conductor.window_begins(timing, begin_ns, folder))
        runner.quit()

    environment.events.spawning_complete.add_listener(lambda **_: gevent.spawn(conduct))
    environment.events.quitting.add_listener(lambda **_: lead.close(timing.window_s))


def _open(environment: Environment, opened: Gate) -> None:
    """Let arrivals come for as long as Locust runs, with its web page or --run-time."""
    timing = Timing.of(environment)

    def begin(**_: Any) -> None:
        opened.begin(monotonic_ns(), rate_per_s=timing.rate_per_s, kind=timing.arrivals)

    environment.events.spawning_complete.add_listener(begin)


def _exit_well(environment: Environment, **_: Any) -> None:
    if environment.process_exit_code is None:
        environment.process_exit_code = 0
