"""`memory`: the resident memory of one worker over a million requests."""

from argparse import Namespace
from typing import Any

from benchmarks import results
from benchmarks.books import Plan
from benchmarks.load import Load, send
from benchmarks.payers import new_signing_key, write_payers
from benchmarks.places import place, require_intact
from benchmarks.processor_time import memory_bytes
from benchmarks.publishing import publish
from benchmarks.serving import free_port, service

CONNECTIONS = 64
SETTLED = 100_000
"""After so many requests, caches are full and what still grows is a leak."""
MIB = 1024 * 1024


def memory(options: Namespace) -> None:
    """Send transfers until there have been enough, and read the memory every `step`."""
    with place(options.directory) as here:
        template = here.make_template("template_of_memory", Plan())
        key, port = new_signing_key(), free_port()
        with here.copy_of(template) as database:
            with service(database, here.directory, signing_key=key, port=port) as server:
                samples = [_sample(0, server.pid)]
                seconds = 5.0
                while samples[-1]["requests"] < options.requests:
                    # Tokens last for 15 minutes: each step gets new ones.
                    payers = write_payers(
                        template.books, here.directory, signing_key=key, port=port
                    )
                    load = Load("transfers", seconds, CONNECTIONS, seed=len(samples))
                    answers = send(server, payers, load)
                    samples.append(_sample(samples[-1]["requests"] + answers.requests, server.pid))
                    print(f"{samples[-1]['requests']:>9,} {samples[-1]['mib']:.1f} MiB", flush=True)
                    seconds = max(1.0, options.step / answers.per_second)
            if not options.unverified:
                require_intact(database)
    publish(results.merge(options.json, "memory", _content(samples)), options)


def _sample(requests: int, pid: int) -> dict[str, Any]:
    return {"requests": requests, "mib": round(memory_bytes(pid) / MIB, 1)}


def _content(samples: list[dict[str, Any]]) -> dict[str, Any]:
    settled = next((s for s in samples if s["requests"] >= SETTLED), samples[-1])
    last = samples[-1]
    return {
        "samples": samples,
        "last_mib": last["mib"],
        "growth": round(last["mib"] / settled["mib"], 3),
    }
