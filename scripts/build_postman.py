"""Make the Postman collection and its environment from ``openapi.json``.

openapi-to-postmanv2 turns each operation into a request. ``tools/postman/steps.json`` says in which
order a newcomer sends them, as whom, with what, and what later requests need of the answers; this
becomes the scripts of the requests. Both files go to ``build/postman/``, which git ignores: they
are made again from the document in seconds. ``--run`` sends the collection to a service by newman.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.build_assets import BuildError, run
from scripts.node_tools import install, program, searching

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / "tools" / "postman"
STEPS = TOOLS / "steps.json"
TARGET = ROOT / "build" / "postman"
COLLECTION = TARGET / "wallet.postman_collection.json"
ENVIRONMENT = TARGET / "wallet.postman_environment.json"
DOCUMENT = ROOT / "openapi.json"
OPTIONS = {
    "folderStrategy": "Tags",
    "requestParametersResolution": "Example",
    "includeAuthInfoInExample": "false",
    "disableOptionalParameters": "true",
    "stackLimit": "50",
}
RUN_TIMEOUT_S = 300
TRIES_MAX = 20

Step = Mapping[str, Any]
Request = dict[str, Any]

# What every run needs before its first request: names that nobody has yet.
BEGIN = """\
if (!pm.collectionVariables.get("run")) {
  pm.collectionVariables.set("run", Date.now().toString(36));
  pm.collectionVariables.set("payment_key", pm.variables.replaceIn("{{$guid}}"));
  pm.collectionVariables.set("month", new Date().toISOString().slice(0, 7));
}"""
# In development mails are shown; the token stands in a line of its own.
MAIL = """\
const url = pm.variables.replaceIn("{{baseUrl}}/dev/mail?recipient=%s");
function look(tries) {
  pm.sendRequest(url, (error, answer) => {
    const mail = error ? undefined : answer.json().items.find((one) => one.subject.includes("%s"));
    const token = mail && mail.text.match(/^[A-Za-z0-9_-]{43}$/m);
    if (token) pm.collectionVariables.set("%s", token[0]);
    else if (tries > 0) setTimeout(() => look(tries - 1), 200);
  });
}
look(%d);"""
# What an authenticator app shows (RFC 6238), now or some steps of 30 seconds later. Each code is
# good once, and from one step before its own to one after.
CODE = """\
const crypto = require("crypto-js");
const secret = pm.collectionVariables.get("%s");
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const bits = [...secret].map((one) => letters.indexOf(one).toString(2).padStart(5, "0")).join("");
const hex = (bits.match(/[01]{4}/g) || []).map((four) => parseInt(four, 2).toString(16)).join("");
const step = Math.floor(Date.now() / 30000) + %d;
const mac = crypto.HmacSHA1(
  crypto.enc.Hex.parse(step.toString(16).padStart(16, "0")),
  crypto.enc.Hex.parse(hex),
).toString();
const at = 2 * parseInt(mac[39], 16);
const number = parseInt(mac.slice(at, at + 8), 16) & 0x7fffffff;
pm.collectionVariables.set("%s", String(number %% 1000000).padStart(6, "0"));"""
# The cookie of a page; the jar of a runner would keep it from http, so requests bring it along.
COOKIE = """\
const cookie = /^__Host-wallet=([^;]+);/.exec(pm.response.headers.get("Set-Cookie") || "");
pm.test("a cookie is there", () => pm.expect(cookie).to.exist);
pm.collectionVariables.set("%s", cookie[1]);"""
# A chapter for whoever has filled in the environment.
NEEDED = 'if (!pm.variables.get("%s")) pm.execution.skipRequest();'
REPEAT = """\
const tries = Number(pm.collectionVariables.get("tries") || 0);
if (pm.response.code === %d && tries < %d) {
  pm.collectionVariables.set("tries", tries + 1);
  pm.execution.setNextRequest(pm.info.requestId);
  setTimeout(() => {}, 1000 * Number(pm.response.headers.get("Retry-After") || 1));
  return;
}
pm.collectionVariables.unset("tries");"""


def main() -> int:
    """Build, and send everything if told to; answer the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", metavar="URL", help="send it to this service with newman")
    parser.add_argument("--receiver", metavar="URL", help="where webhooks are to go")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a value of the environment",
    )
    given = parser.parse_args()
    try:
        print(build())
        if given.run:
            values = dict(one.split("=", 1) for one in given.set)
            if given.receiver:
                values["receiver_url"] = given.receiver
            done = sent(given.run, values)
            print(done.stdout)
            return done.returncode
    except BuildError as error:
        print(f"build_postman: {error}", file=sys.stderr)
        return 1
    return 0


def build() -> str:
    """Write collection and environment, and return a line that says so."""
    install(TOOLS)
    TARGET.mkdir(parents=True, exist_ok=True)
    document = json.loads(DOCUMENT.read_text())
    collection = chained(converted(), document, json.loads(STEPS.read_text()))
    COLLECTION.write_text(json.dumps(collection, indent=1))
    ENVIRONMENT.write_text(json.dumps(environment(), indent=1))
    count = sum(len(chapter["item"]) for chapter in collection["item"])
    return f"{COLLECTION.relative_to(ROOT)}: {count} requests."


def converted() -> dict[str, Any]:
    """Return what openapi-to-postmanv2 makes of the document."""
    draft = TARGET / "draft.json"
    options = ",".join(f"{name}={value}" for name, value in OPTIONS.items())
    command = [*program(TOOLS, "openapi2postmanv2"), "-s", str(DOCUMENT)]
    run(
        [*command, "-o", str(draft), "-O", options],
        "The document could not be converted.",
        environment=searching(),
    )
    found: dict[str, Any] = json.loads(draft.read_text())
    draft.unlink()
    return found


def sent(url: str, values: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Send the collection to a service, with values for the environment; return newman's words."""
    command = [*program(TOOLS, "newman"), "run", str(COLLECTION)]
    command += ["--environment", str(ENVIRONMENT), "--color", "off"]
    for name, value in {**values, "baseUrl": url}.items():
        command += ["--env-var", f"{name}={value}"]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=searching(),
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )


def environment() -> dict[str, Any]:
    """Return the environment: where the service is, and the passwords of the people made up."""
    values = {
        "baseUrl": "http://localhost:4000",
        "receiver_url": "http://localhost:4242/hooks",
        "password": "violet kettle orbit sandal",
        "new_password": "seven quiet rivers of amber",
        # Two administrators, by `wallet create-admin`; without them their chapter is left out.
        "staff_email": "",
        "second_staff_email": "",
        "staff_password": "",
    }
    return {
        "name": "Wallet on this machine",
        "values": [{"key": key, "value": value, "enabled": True} for key, value in values.items()],
    }


def chained(
    collection: dict[str, Any], document: Mapping[str, Any], told: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the collection in the order of the steps, each with its scripts.

    Raises BuildError for an operation without a step, or a step without an operation.
    """
    operations = operations_of(document)
    requests = {place_of(request): request for request in requests_of(collection)}
    steps = [step for chapter in told["chapters"] for step in chapter["steps"]]
    named = {step["operation"] for step in steps} | set(told["leave_out"])
    if named != set(operations):
        raise BuildError(
            f"{STEPS.relative_to(ROOT)} does not fit the document. No step: "
            f"{sorted(set(operations) - named)}. No operation: {sorted(named - set(operations))}."
        )
    chapters = [
        {
            "name": chapter["name"],
            "item": [
                item(step, requests[operations[step["operation"]][0]], operations)
                for step in chapter["steps"]
            ],
            "event": [event("prerequest", NEEDED % needs)]
            if (needs := chapter.get("needs"))
            else [],
        }
        for chapter in told["chapters"]
    ]
    info = {**collection["info"], "name": "Wallet"}
    return {"info": info, "item": chapters, "event": [event("prerequest", BEGIN)], "variable": []}


def operations_of(document: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return operation id → place (`GET /wallets/:id/balance`) and description."""
    return {
        operation["operationId"]: (f"{method.upper()} {colons(path)}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def colons(path: str) -> str:
    """Return a path as Postman writes it."""
    return re.sub(r"\{(\w+)\}", r":\1", path)


def requests_of(part: Mapping[str, Any]) -> Iterator[Request]:
    """Yield all requests below a folder."""
    for inner in part["item"]:
        if "item" in inner:
            yield from requests_of(inner)
        else:
            yield inner["request"]


def place_of(request: Request) -> str:
    """Return the place of a request as `operations_of` does."""
    return f"{request['method']} /{'/'.join(request['url']['path'])}"


def item(
    step: Step, request: Request, operations: Mapping[str, tuple[str, dict[str, Any]]]
) -> dict[str, Any]:
    """Return a request of the collection, with what the step gives it and looks for."""
    operation = operations[step["operation"]][1]
    headers = [h for h in request["header"] if h["key"] == "Content-Type"]
    made: Request = {
        "method": request["method"],
        "description": operation["description"],
        "header": headers + named(step.get("headers", {})),
        "url": {
            "host": ["{{baseUrl}}"],
            "path": request["url"]["path"],
            "variable": named(step.get("path", {})),
            "query": named(step.get("query", {})),
        },
        "auth": auth(step.get("as", "alice_token" if operation.get("security") else "")),
    }
    if "body" in step:
        made["body"] = {"mode": "raw", "raw": json.dumps(step["body"], indent=1)}
    if "form" in step:
        made["body"] = {"mode": "urlencoded", "urlencoded": named(step["form"])}
    events = [event("test", looking(step))]
    if mail := step.get("mail"):
        script = MAIL % (mail["to"], mail["subject"], mail["keep"], TRIES_MAX)
        events.append(event("prerequest", script))
    if code := step.get("code"):
        script = CODE % (code["secret"], code.get("steps_later", 0), code["keep"])
        events.append(event("prerequest", script))
    name = step.get("name") or operation["summary"]
    return {
        "name": name,
        "request": made,
        "event": events,
        "response": [],
        # A cookie beside a token is refused: none is sent but what a step names.
        "protocolProfileBehavior": {"disableCookies": True},
    }


def named(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return values as Postman lists them."""
    return [{"key": key, "value": value} for key, value in values.items()]


def auth(token: str) -> dict[str, Any]:
    """Return whose token is sent; nobody's for ''."""
    if not token:
        return {"type": "noauth"}
    value = {"key": "token", "value": f"{{{{{token}}}}}", "type": "string"}
    return {"type": "bearer", "bearer": [value]}


def looking(step: Step) -> str:
    """Return the script that looks at the answer and keeps what later requests need."""
    status = step.get("expect", 200)
    lines = []
    if "repeat_at" in step:
        lines.append(REPEAT % (step["repeat_at"], TRIES_MAX))
    lines.append(f'pm.test("answers {status}", () => pm.response.to.have.status({status}));')
    if "keep_cookie" in step:
        lines.append(COOKIE % step["keep_cookie"])
    wanted = {**step.get("equal", {}), **dict.fromkeys(step.get("keep", {}).values())}
    if not wanted:
        return "\n".join(lines)
    lines.append("const at = (path) => path.split('.').reduce((v, k) => v[k], pm.response.json());")
    for path, value in step.get("equal", {}).items():
        right = json.dumps(value)
        if isinstance(value, str):
            right = f"pm.variables.replaceIn({right})"
        lines.append(
            f'pm.test("{path} is right", () => pm.expect(at("{path}")).to.equal({right}));'
        )
    for name, path in step.get("keep", {}).items():
        lines.append(f'pm.test("{path} is there", () => pm.expect(at("{path}")).to.exist);')
        lines.append(f'pm.collectionVariables.set("{name}", at("{path}"));')
    return "\n".join(lines)


def event(listen: str, script: str) -> dict[str, Any]:
    """Return a script of a request or of the collection."""
    return {"listen": listen, "script": {"type": "text/javascript", "exec": script.splitlines()}}


if __name__ == "__main__":
    sys.exit(main())
