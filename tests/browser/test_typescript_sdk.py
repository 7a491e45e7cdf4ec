"""The TypeScript SDK in a real browser, on a page of another origin than the service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conftest import reachable_directory
from tests.integration.serving import serving
from tests.integration.typescript_sdk import built, install

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = """<!doctype html>
<meta charset="utf-8">
<script type="importmap">{"imports": {
  "wallet-sdk": "/node_modules/wallet-sdk/dist/index.js",
  "openapi-fetch": "/node_modules/openapi-fetch/dist/index.mjs"
}}</script>
<pre id="said"></pre>
<script type="module">
import { isProblem, Money, verifyWebhook, Wallet } from "wallet-sdk";
const said = (text) => { document.getElementById("said").textContent += text + "\\n"; };
const person = async (handle) => {
  const credentials = { email: `${handle}@example.com`, password: "seven green lamps at dusk" };
  const attempts = [];
  const wallet = new Wallet({ baseUrl: BASE_URL, credentials, onAttempt: (a) => attempts.push(a) });
  const name = { first_name: handle, last_name: "Browser", handle };
  await wallet.users.signUp({ ...credentials, ...name });
  return Object.assign(wallet, { attempts });
};
try {
  const [alice, bob] = [await person("alice"), await person("bob")];
  await alice.wallets.topUp({ amount: Money.parse("10.00", "USD") });
  const paying = async (amount) =>
    alice.transfers.create({ to_handle: "bob", amount: Money.parse(amount, "USD") });
  let kept;
  for await (const event of bob.live.events()) {
    if (event.type === "ready") { await paying("1.25"); continue; }
    kept = event.position;
    said(`live ${event.transaction.display}`);
    break;
  }
  await paying("2.50");
  for await (const entry of bob.live.entries({ lastEventId: kept })) {
    said(`resumed ${entry.transaction.display}`);
    break;
  }
  const refused = await paying("100.00").catch((error) => error);
  said(`refused ${isProblem(refused, "insufficient-funds")}`);
  said(`left ${Money.ofBalance(await alice.wallets.balance()).format("en-US")}`);
  said(`named ${alice.attempts.every((attempt) => attempt.requestId.length > 0)}`);
  const forged = { "webhook-id": "1", "webhook-timestamp": String(Math.floor(Date.now() / 1000)),
    "webhook-signature": "v1,AAAA" };
  said(await verifyWebhook("{}", forged, { secret: "whsec_AAAA" }).catch((error) => error.name));
  await alice.sessions.logOut();
  said("done");
} catch (error) {
  said(`failed ${error.stack}`);
}
</script>
"""


class _Quiet(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def page_server(directory: Path) -> Iterator[str]:
    """Serve a folder, and yield its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(directory)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_a_page_of_another_origin_pays_and_watches(browser: Browser, tmp_path: Path) -> None:
    built()
    install(tmp_path)
    with page_server(tmp_path) as origin, reachable_directory() as directory:
        settings = {"WALLET_DATA_DIRECTORY": str(directory), "WALLET_CORS_ORIGINS": origin}
        with serving(directory, environment=settings) as service:
            page_text = PAGE.replace("BASE_URL", f'"{service.url}"')
            (tmp_path / "index.html").write_text(page_text)
            page = browser.new_page()
            page.goto(f"{origin}/index.html")
            said = page.locator("#said")
            page.wait_for_selector("text=/done|failed/", timeout=30_000)
            assert said.inner_text().splitlines() == [
                "live 1.25 USD",
                "resumed 2.50 USD",
                "refused true",
                "left $6.25",
                "named true",
                "WebhookError",
                "done",
            ]
            page.close()
