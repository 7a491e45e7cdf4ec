"""The TypeScript SDK, built, packed, and used against running services.

What it does is tested by its own tests in `sdks/typescript/tests`, which are run here.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts.build_typescript_sdk import (
    SDK,
    Node,
    class_name,
    facts_of,
    operations_module,
    problems_module,
)
from tests.conftest import reachable_directory
from tests.integration.serving import Serving, serving
from tests.integration.typescript_sdk import (
    ROOT,
    SERVICE_COMMAND,
    built,
    install,
    readme_blocks,
    run,
)


@pytest.fixture(scope="module")
def node() -> Node:
    return built()


@pytest.fixture
def service() -> Iterator[Serving]:
    with (
        reachable_directory() as directory,
        serving(directory, environment={"WALLET_DATA_DIRECTORY": str(directory)}) as running,
    ):
        yield running


@pytest.mark.slow
def test_its_own_tests_pass_over_real_sockets_with_services_that_are_killed(node: Node) -> None:
    files = sorted((SDK / "build" / "tests").glob("*.test.js"))
    names = [path.name.split(".")[0] for path in files]
    assert names == ["attempts", "live", "money", "outage", "service", "sessions", "webhooks"]
    options = ["--test", "--test-reporter=tap", "--test-concurrency=1", "--test-timeout=120000"]
    said = run(node, *options, *files, timeout_s=400, WALLET_COMMAND=SERVICE_COMMAND)
    assert re.search(r"^# fail 0$", said, re.MULTILINE)
    passed = re.search(r"^# pass (\d+)$", said, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) >= 70


@pytest.mark.slow
def test_it_is_formatted(node: Node) -> None:
    ours = ["src", "tests", "examples", "!src/generated"]
    run(node, "node_modules/prettier/bin/prettier.cjs", "--check", *ours)


@pytest.mark.slow
def test_what_is_packed_is_what_a_user_needs_and_nothing_else(node: Node, tmp_path: Path) -> None:
    install(tmp_path)
    package = tmp_path / "node_modules" / "wallet-sdk"
    assert {path.name for path in package.iterdir()} == {
        "LICENSE",
        "README.md",
        "dist",
        "package.json",
    }
    declared = json.loads((package / "package.json").read_text())
    assert declared["dependencies"] == {"openapi-fetch": "0.17.0"}
    for module in package.rglob("*.js"):
        imported = re.findall(r'(?:from|import) "([^"]+)"', module.read_text())
        assert [m for m in imported if m[0] != "." and m != "openapi-fetch"] == [], module.name


@pytest.mark.slow
def test_nothing_of_the_public_surface_is_any_and_all_of_it_is_described(node: Node) -> None:
    for path in (SDK / "dist").rglob("*.d.ts"):
        if "generated" in path.parts:
            continue
        text = path.read_text()
        code = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
        assert not re.search(r"\bany\b", code), path.name
        if path.name in {"types.d.ts", "index.d.ts"}:
            continue
        bare = re.findall(
            r"(?<!\*/\n)^export (?:declare )?(?:class|function|interface).*", text, re.MULTILINE
        )
        assert bare == [], path.name


@pytest.mark.slow
@pytest.mark.parametrize("resolution", ["NodeNext", "Bundler"])
def test_every_example_of_the_readme_is_strictly_typed(
    node: Node, tmp_path: Path, resolution: str
) -> None:
    install(tmp_path)
    blocks = readme_blocks()
    assert len(blocks) >= 7
    for number, block in enumerate(blocks):
        (tmp_path / f"example_{number}.ts").write_text(block)
    options = {
        "target": "ES2022",
        "lib": ["ES2023", "DOM", "DOM.Iterable"],
        "module": "NodeNext" if resolution == "NodeNext" else "ESNext",
        "moduleResolution": resolution,
        "types": [],
        "strict": True,
        "noUncheckedIndexedAccess": True,
        "exactOptionalPropertyTypes": True,
        "noEmit": True,
        "skipLibCheck": False,
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options}))
    run(node, SDK / "node_modules/typescript/lib/tsc.js", "-p", tmp_path, cwd=tmp_path)


@pytest.mark.slow
def test_the_first_transfer_of_the_readme_works_as_it_stands(
    node: Node, service: Serving, tmp_path: Path
) -> None:
    install(tmp_path)
    block = readme_blocks()[0]
    # What is typed there is JavaScript but for the types, of which it has one.
    script = block.replace("localhost:4000", f"127.0.0.1:{service.port}").replace(": string", "")
    (tmp_path / "first.js").write_text(script)
    said = run(node, "first.js", cwd=tmp_path).splitlines()
    assert said == ["Paid 25.00 USD; 75.00 USD are left.", "25.00 USD Lunch"]


@pytest.mark.slow
def test_the_small_shop_says_what_its_transcript_says(node: Node, service: Serving) -> None:
    said = run(node, "build/examples/small-shop.js", WALLET_URL=service.url)
    assert said.strip() == (ROOT / "docs/transcripts/small-shop-typescript.txt").read_text().strip()


def test_operations_know_whether_they_take_a_key_and_a_token() -> None:
    key = {"name": "Idempotency-Key", "in": "header"}
    document = {
        "paths": {
            "/a": {"post": {"operationId": "doA", "parameters": [key], "security": [{"t": []}]}},
            "/b": {"get": {"operationId": "getB"}},
            "/c": {"get": {"operationId": "getC", "security": [{"sessionCookie": []}]}},
        }
    }
    module = operations_module(document)
    pay = '{"id": "doA", "method": "POST", "path": "/a", "keyed": true, "authenticated": true}'
    ask = '{"id": "getB", "method": "GET", "path": "/b", "keyed": false, "authenticated": false}'
    assert pay in module
    assert ask in module
    # What a cookie alone opens refuses a token beside it.
    assert '"path": "/c", "keyed": false, "authenticated": false}' in module


def test_each_code_becomes_a_class_with_the_facts_of_its_examples() -> None:
    basic = {"title": "Too little", "status": 422, "code": "too-little", "request_id": "r"}
    examples = {
        "one": {"value": {**basic, "available": 5, "wallet_id": None}},
        "two": {"value": {**basic, "available": 7, "wallet_id": "w", "parts": [{"index": 0}]}},
    }
    response = {"content": {"application/problem+json": {"examples": examples}}}
    document = {
        "paths": {"/a": {"get": {"responses": {"422": {"$ref": "#/components/responses/R"}}}}},
        "components": {"responses": {"R": response}},
    }
    module = problems_module(document)
    assert "/** Too little (422 `too-little`). */" in module
    assert "export class TooLittleProblem extends ProblemError<" in module
    assert "readonly available?: number;" in module
    assert "readonly wallet_id?: null | string;" in module
    assert "readonly parts?: readonly ({ readonly index?: number })[];" in module
    assert class_name("http-like-thing") == "HttpLikeThingProblem"
    assert facts_of([basic]) == {}


def test_versions_are_exact_and_the_lock_holds_hashes_and_no_addresses() -> None:
    package = json.loads((SDK / "package.json").read_text())
    pins = [*package["dependencies"].values(), *package["devDependencies"].values()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", pin) for pin in pins), pins
    text = (SDK / "package-lock.json").read_text()
    lock = json.loads(text)
    assert '"resolved"' not in text
    for name, entry in lock["packages"].items():
        assert name == "" or entry["integrity"].startswith("sha512-"), name
    for path in SDK.glob("*/**/*.ts"):
        if not {"node_modules", "dist", "build", "generated"} & set(path.parts):
            assert path.stat().st_size <= 24 * 1024, path.name
            assert max(map(len, path.read_text().splitlines())) <= 100, path.name
