"""Serve a wallet that is worth looking at: a few hundred people, and a year behind them.

`make demo` fills a database of its own by the service's own code (`demo_books.py`), has the books
verified, and serves them on http://localhost:4000 with a little traffic. The next time it serves
what is there. `--directory` is where it keeps everything; delete it to begin anew.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.demo_books import PASSWORD, NotEmpty, load  # noqa: E402 - found by the line above
from scripts.demo_people import MAIN_PEOPLE, NOTES, SHOPS  # noqa: E402

from wallet import bootstrap  # noqa: E402
from wallet.bootstrap.parent import data_directory  # noqa: E402
from wallet.settings import Settings  # noqa: E402

PAYERS = [profile.handle for profile in MAIN_PEOPLE[:2]]
PAUSE_S = 20.0


PEOPLE_MIN, PEOPLE_MAX = 20, 10_000


def main() -> int:
    """Load if there is nothing yet, verify, and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, help="where the demo is kept")
    parser.add_argument("--people", type=people_count, default=260, help="how many, from 20 on")
    parser.add_argument("--port", type=int, default=int(os.environ.get("WALLET_PORT") or 4000))
    parser.add_argument("--load-only", action="store_true", help="fill and verify, and stop")
    parser.add_argument("--quiet", action="store_true", help="serve without traffic of its own")
    given = parser.parse_args()
    if not given.load_only and is_taken(given.port):
        print(f"Port {given.port} is taken: choose another one by WALLET_PORT.", file=sys.stderr)
        return 1
    if given.directory is not None:
        given.directory.mkdir(parents=True, exist_ok=True)
        given.directory.chmod(0o711)
        os.environ["WALLET_DATA_DIRECTORY"] = str(given.directory)
    elif "WALLET_DATA_DIRECTORY" not in os.environ:
        usual = data_directory(Settings())
        os.environ["WALLET_DATA_DIRECTORY"] = str(usual.with_name(f"{usual.name}-demo"))
    if not fill(given.people):
        return 1
    return 0 if given.load_only else serve(given.port, traffic=not given.quiet)


def people_count(text: str) -> int:
    """Return how many people are wanted; fewer have too few friends to be worth looking at."""
    people = int(text)
    if not PEOPLE_MIN <= people <= PEOPLE_MAX:
        raise argparse.ArgumentTypeError(f"a demo has {PEOPLE_MIN} to {PEOPLE_MAX:,} people")
    return people


def is_taken(port: int) -> bool:
    """Whether somebody listens there already, which is better known before a year is booked."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def fill(people: int) -> bool:
    """Fill the demo's database if it is empty; return whether its books are intact."""
    settings = Settings()
    if settings.production:
        print("This is a production setting: a demo does not belong there.", file=sys.stderr)
        return False
    with bootstrap.database(settings) as addresses:
        asyncio.run(bootstrap.migrate_up(settings, addresses))
        began_s = time.monotonic()
        try:
            print("Booking a year, once; this takes about a minute …", flush=True)
            found = asyncio.run(load(addresses.owner_url, addresses.service_url, people))
        except NotEmpty:
            print("There is a demo already.", flush=True)
            return True
        took_s = time.monotonic() - began_s
        print("{} people, {:,} movements, {:,} refusals".format(*found), f"in {took_s:.0f} s.")
        report, seconds = asyncio.run(bootstrap.verify(settings, addresses))
        state = "intact" if report.intact else f"{len(report.violations)} violations"
        print(f"wallet verify: {report.entries:,} entries in {seconds:.1f} s: {state}.", flush=True)
        for violation in report.violations[:20]:
            print(violation, file=sys.stderr)
        return report.intact


def serve(port: int, *, traffic: bool) -> int:
    """Serve until told to stop."""
    command = Path(sys.executable).with_name("wallet")
    print(
        f"The wallet is at http://localhost:{port}/app.\n"
        f"Log in as {PAYERS[0]}@demo.example with the password: {PASSWORD}\n"
        "For the console, make an administrator (two, to see what takes two), log in at /app, set "
        "up a\nsecond factor under Settings, and open /console:\n"
        f"  WALLET_DATA_DIRECTORY={os.environ['WALLET_DATA_DIRECTORY']} \\\n"
        f"  {command} create-admin --email ada@example.com --first-name Ada --last-name Lovelace",
        flush=True,
    )
    service = subprocess.Popen([sys.executable, "-m", "wallet", "serve", "--port", str(port)])
    if traffic:
        threading.Thread(target=keep_paying, args=(port,), daemon=True).start()
    try:
        return service.wait()
    except KeyboardInterrupt:
        return service.wait()


def keep_paying(port: int) -> None:
    """Let a few people pay each other now and then, over HTTP like everybody."""
    tokens: dict[str, tuple[str, float]] = {}
    chance = random.Random()  # noqa: S311 - whom they pay is no secret
    while True:
        time.sleep(chance.uniform(0.5, 2 * PAUSE_S))
        try:
            pay(port, tokens, chance)
        except (OSError, ValueError, KeyError):
            # Not there yet, or not any more: whoever looks at the page sees that too.
            time.sleep(PAUSE_S / 4)


def pay(port: int, tokens: dict[str, tuple[str, float]], chance: random.Random) -> None:
    """Let one payment happen."""
    payer, other = chance.sample(PAYERS, 2)
    token, until_s = tokens.get(payer, ("", 0.0))
    if until_s < time.monotonic():
        body = {"email": f"{payer}@demo.example", "password": PASSWORD}
        token = post(port, "/users/login", body)["access_token"]
        tokens[payer] = (token, time.monotonic() + 600)
    shop = chance.choice(SHOPS)
    to_friend = chance.random() < 0.5
    payment = {
        "to_handle": other if to_friend else shop.handle,
        "amount": chance.randrange(200, 2_500),
        "note": chance.choice(NOTES) if to_friend else shop.note,
    }
    post(port, "/wallets/transfer", payment, token)


def post(port: int, path: str, body: object, token: str = "") -> dict[str, str]:
    """Post JSON and return the answer."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        found: dict[str, str] = json.load(answer)
        return found


if __name__ == "__main__":
    sys.exit(main())
