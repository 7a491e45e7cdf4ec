"""The examples of the document.

Answers are shown as the service gave them, problems too (`examples.json`, `problem_examples.json`,
written by `make examples`). A problem stands in the document once, and operations refer to it:
most of them share most of theirs.

Examples of schemas come from beside the schemas; FastAPI drops every null when it writes the
document, which is right for schemas and wrong for examples: an answer of ours shows `"note": null`,
and an example without it is none of that schema. They are put back here.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

Schemas = Mapping[str, dict[str, Any]]
REFERENCE = "#/components/schemas/"
EXAMPLES = "#/components/examples/"
PROBLEM = "application/problem+json"


@cache
def recorded() -> Mapping[str, Mapping[str, Any]]:
    """Return operation id → status → the answer that was recorded."""
    return _read("examples.json")


@cache
def recorded_problems() -> Mapping[str, Mapping[str, Any]]:
    """Return code → the problem that was recorded."""
    return _read("problem_examples.json")


def _read(name: str) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(files("wallet.api").joinpath(name).read_text())
    return found


def show_recorded(operation: dict[str, Any]) -> None:
    """Put the recorded answers of an operation into it."""
    for status, value in recorded().get(operation["operationId"], {}).items():
        content = operation["responses"][status]["content"]["application/json"]
        content["example"] = value


def share_problems(document: dict[str, Any]) -> None:
    """Move the examples of problems to `components`, each once, and let operations refer to it.

    One that differs from the first of its code (in its status, say) stays where it is.
    """
    shared: dict[str, Any] = {}
    for operations in document.get("paths", {}).values():
        for operation in operations.values():
            for response in operation.get("responses", {}).values():
                content = response.get("content", {}).get(PROBLEM, {})
                for code, example in content.get("examples", {}).items():
                    if shared.setdefault(code, example) == example:
                        content["examples"][code] = {"$ref": f"{EXAMPLES}{code}"}
    for code, example in shared.items():
        example["value"] = _with_nulls(example["value"], recorded_problems().get(code))
    document["components"]["examples"] = dict(sorted(shared.items()))


def _with_nulls(shown: dict[str, Any], whole: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a recorded problem as it was recorded; FastAPI has dropped its nulls."""
    return shown if whole is None else {**whole, "status": shown["status"]}


def complete_examples(schemas: Schemas) -> None:
    """Put null into the examples of schemas where a field must be, and may be null."""
    for schema in schemas.values():
        for number, example in enumerate(schema.get("examples", ())):
            schema["examples"][number] = _completed(example, schema, schemas)


def _completed(value: Any, schema: dict[str, Any], schemas: Schemas) -> Any:
    schema = _resolved(schema, schemas)
    if "anyOf" in schema or "oneOf" in schema:
        schema = _fitting(value, schema.get("anyOf") or schema["oneOf"], schemas)
    if isinstance(value, list):
        return [_completed(one, schema.get("items", {}), schemas) for one in value]
    if not isinstance(value, dict):
        return value
    fields = schema.get("properties", {})
    missing = [
        name
        for name in schema.get("required", ())
        if name not in value and _may_be_null(fields[name], schemas)
    ]
    others = schema.get("additionalProperties")
    others = others if isinstance(others, dict) else {}
    return {
        name: _completed(inner, fields.get(name, others), schemas) for name, inner in value.items()
    } | dict.fromkeys(missing)


def _fitting(value: Any, choices: list[dict[str, Any]], schemas: Schemas) -> dict[str, Any]:
    """Return the choice with the most fields of the value, among those that know all of them."""
    known = [_resolved(choice, schemas) for choice in choices]
    if not isinstance(value, dict):
        return next((one for one in known if one.get("type") == "array"), {})
    fitting = [one for one in known if value.keys() <= one.get("properties", {}).keys()]
    return max(fitting, key=lambda one: len(one.get("required", ())), default={})


def _may_be_null(schema: dict[str, Any], schemas: Schemas) -> bool:
    schema = _resolved(schema, schemas)
    return schema.get("type") == "null" or any(
        _may_be_null(one, schemas) for one in schema.get("anyOf", ())
    )


def _resolved(schema: dict[str, Any], schemas: Schemas) -> dict[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix(REFERENCE)]
    return schema
