"""`profile`: where the processor time of a request goes, by layer and by function."""

import json
import os
import signal
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.books import Plan
from benchmarks.contenders import under_load
from benchmarks.layered_service import LAYERS
from benchmarks.load import Load, warm_up
from benchmarks.places import BenchmarkFailed, Place, Template, place
from benchmarks.subjects import Session, Subject, floor, real_service

SAMPLES_TIMEOUT_S = 5.0
FUNCTIONS_SHOWN = 25
PARTS = ("layers", "functions", "callers", "inclusive")
PART_TITLES = {
    "functions": "by function",
    "callers": "by function and caller",
    "inclusive": "with what they call",
}
TITLES = {
    "floor": "bare ASGI application",
    "protocol": "our HTTP protocol",
    "edge": "the edge: request id, limits, security headers, log line, metrics",
    "person": "token, revocation, rate limit",
    "route": "body, use case, rules, answer",
    "full": "the database: coalescing, lock, save, commit",
}


def profile(options: Namespace) -> None:
    """Print the microseconds of each layer, then those of modules and functions."""
    with place(options.directory) as here:
        template = here.make_template("template_of_profile", Plan())
        load = Load("transfers", options.seconds, options.connections)
        costs = _layers(here, template, load, options.warm_up)
        samples = here.directory / "samples.json"
        found = _sampled(here, template, load, samples, options.warm_up)
    content = {"layers_us": costs, "samples": found}
    results.merge(options.json, "profile", content)
    _print_layers(costs)
    _print_samples(found)


def _layers(here: Place, template: Template, load: Load, warm_up_s: float) -> dict[str, float]:
    """Return the processor time of a request for each way that ends at a layer."""
    subjects = {"floor": floor(here, template.books)}
    for layer in LAYERS:
        program = ("benchmarks.layered_service", layer)
        subjects[layer] = real_service(here, template, program)
    subjects["full"] = real_service(here, template)
    costs = {}
    for layer, subject in subjects.items():
        with subject(1) as session:
            costs[layer] = _cost_us(here, session, load, warm_up_s)
        print(f"{layer:<10}{costs[layer]:8.1f} us", flush=True)
    return costs


def _cost_us(here: Place, session: Session, load: Load, warm_up_s: float) -> float:
    warm_up(session.server, session.payers, Load(load.script, warm_up_s, load.connections, 1))
    answers, used = under_load(here, session, load)
    return round(used.server_s / answers.requests * 1e6, 1)


def _sampled(
    here: Place, template: Template, load: Load, output: Path, warm_up_s: float
) -> dict[str, Any]:
    """Return the samples of the whole service under load, as microseconds of a request."""
    subject: Subject = real_service(here, template, ("benchmarks.sampling", str(output)))
    with subject(1) as session:
        warm = Load(load.script, warm_up_s, load.connections, 1)
        warm_up(session.server, session.payers, warm)
        os.kill(session.server.pid, signal.SIGUSR1)
        answers, used = under_load(here, session, load)
        os.kill(session.server.pid, signal.SIGUSR2)
        document = _when_written(output)
    each_us = used.server_s / answers.requests * 1e6
    scale = each_us / document["total"]
    shares = {
        part: {name: round(count * scale, 1) for name, count in document[part].items()}
        for part in PARTS
    }
    return {"us_per_request": round(each_us, 1), "samples": document["total"], **shares}


def _when_written(output: Path) -> dict[str, Any]:
    deadline = time.monotonic() + SAMPLES_TIMEOUT_S
    while not output.exists():
        if time.monotonic() > deadline:
            raise BenchmarkFailed("The profiler did not write what it saw.")
        time.sleep(0.05)
    document: dict[str, Any] = json.loads(output.read_text())
    return document


def _print_layers(costs: Mapping[str, float]) -> None:
    print("\nProcessor time of a request, us")
    before = 0.0
    for layer, cost in costs.items():
        print(f"{cost - before:+8.1f} {cost:8.1f}  {TITLES[layer]}")
        before = cost


def _print_samples(found: Mapping[str, Any]) -> None:
    print(f"\n{found['samples']} samples, {found['us_per_request']} us a request, by module")
    for name, cost_us in found["layers"].items():
        print(f"{cost_us:8.1f}  {name}")
    for part in PARTS[1:]:
        print(f"\n{PART_TITLES[part]}")
        for name, cost_us in list(found[part].items())[:FUNCTIONS_SHOWN]:
            print(f"{cost_us:8.1f}  {name}")
