"""Say whether a change of ``openapi.json`` breaks clients: `make openapi-diff BASE=<revision>`.

The rules, seen from a client that was generated from the older document:

- Gone or renamed operations, webhooks, statuses, codes of problems, headers and fields of answers
  break it: generated classes go with them.
- Who was let in must still be: an operation that asks for other credentials or scopes breaks it.
- What it sends must still be taken: a new field or parameter that is required breaks it, and so
  does a field, a parameter or a value of an enumeration that is taken no longer, a bound that is
  tighter, or another type or format. Webhooks are got, not sent.
- What it gets must still be understood: another type breaks it, and so does a field that may be
  missing or null where it could not, another format, and a new value of an enumeration.
- Whatever else is new is additive. Texts do not matter, nor do examples, except that the names of a
  problem's examples are its codes.

Ends with 1 if something breaks clients.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILE = "openapi.json"
LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
DEPTH_MAX = 30

Document = Mapping[str, Any]
Schema = Mapping[str, Any]


def main() -> int:
    """Compare with a revision of git, and answer the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("base", help="a revision, such as v1.2.0, origin/main or HEAD~1")
    base = parser.parse_args().base
    shown = subprocess.run(
        ["git", "show", f"{base}:{FILE}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if shown.returncode != 0:
        print(f"There is no {FILE} at {base}: {shown.stderr.strip()}", file=sys.stderr)
        return 2
    before, now = json.loads(shown.stdout), json.loads((ROOT / FILE).read_text())
    breaking, additive = list(breaks(before, now)), list(additions(before, now))
    for line in breaking:
        print(f"BREAKS   {line}")
    for line in additive:
        print(f"adds     {line}")
    print(f"{len(breaking)} changes break clients, {len(additive)} operations or webhooks are new.")
    return 1 if breaking else 0


def additions(before: Document, now: Document) -> Iterator[str]:
    """Yield the operations and webhooks that are new."""
    for kind in ("paths", "webhooks"):
        known = _operations(before, kind)
        yield from (place for place in _operations(now, kind) if place not in known)


def breaks(before: Document, now: Document) -> Iterator[str]:
    """Yield what breaks a client of the older document."""
    found = _operations(now)
    for place, old in _operations(before).items():
        new = found.get(place)
        if new is None:
            yield f"{place} is gone"
            continue
        if old["operationId"] != new["operationId"]:
            yield f"{place} is called {new['operationId']}, no longer {old['operationId']}"
        yield from (f"{place}: {what}" for what in _credentials(old, new))
        yield from (f"{place}: {what}" for what in _parameters(before, old, now, new))
        yield from (f"{place}: {what}" for what in _bodies(before, old, now, new))
        yield from (f"{place}: {what}" for what in _answers(before, old, now, new))
    yield from _webhooks(before, now)


def _webhooks(before: Document, now: Document) -> Iterator[str]:
    """Yield what breaks a receiver: here the body and the headers are what a client gets."""
    found = _operations(now, "webhooks")
    for place, old in _operations(before, "webhooks").items():
        name, new = f"webhook {place.partition(' ')[2]}", found.get(place)
        if new is None:
            yield f"{name} is gone"
            continue
        there = {parameter["name"] for parameter in new.get("parameters", ())}
        for parameter in old.get("parameters", ()):
            if parameter["name"] not in there:
                yield f"{name}: header {parameter['name']} is gone"
        contents = new["requestBody"]["content"]
        for kind, content in old["requestBody"]["content"].items():
            if kind not in contents:
                yield f"{name}: body is no longer {kind}"
                continue
            got = _Got(before, now).compare(content["schema"], contents[kind]["schema"], "body")
            yield from (f"{name}: {what}" for what in got)


def _credentials(old: Schema, new: Schema) -> Iterator[str]:
    """Yield what was enough to be let in and is so no longer; no requirement lets everybody in."""
    wanted = new.get("security") or [{}]
    for held in old.get("security") or [{}]:
        if not any(
            all(name in held and set(scopes) <= set(held[name]) for name, scopes in one.items())
            for one in wanted
        ):
            with_what = " and ".join(held)
            yield f"{with_what} is not enough now" if held else "credentials are wanted now"


def _operations(document: Document, kind: str = "paths") -> dict[str, Mapping[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document.get(kind, {}).items()
        for method, operation in methods.items()
    }


def _parameters(before: Document, old: Schema, now: Document, new: Schema) -> Iterator[str]:
    def listed(operation: Schema) -> dict[tuple[str, str], Schema]:
        return {(one["in"], one["name"]): one for one in operation.get("parameters", ())}

    known, found = listed(old), listed(new)
    for key, parameter in found.items():
        name = f"{key[0]} {key[1]}"
        if key not in known:
            if parameter.get("required"):
                yield f"{name} is new and required"
            continue
        if parameter.get("required") and not known[key].get("required"):
            yield f"{name} is required now"
        yield from _Sent(before, now).compare(known[key]["schema"], parameter["schema"], name)
    yield from (f"{key[0]} {key[1]} is taken no longer" for key in known if key not in found)


def _bodies(before: Document, old: Schema, now: Document, new: Schema) -> Iterator[str]:
    known = old.get("requestBody", {}).get("content", {})
    found = new.get("requestBody", {}).get("content", {})
    optional = not old.get("requestBody", {}).get("required")
    if found and optional and new["requestBody"].get("required"):
        yield "a body is required now"
    for kind, content in known.items():
        if kind not in found:
            yield f"a body of {kind} is taken no longer"
            continue
        yield from _Sent(before, now).compare(content["schema"], found[kind]["schema"], "body")


def _answers(before: Document, old: Schema, now: Document, new: Schema) -> Iterator[str]:
    for status, response in old["responses"].items():
        found = new["responses"].get(status)
        if found is None:
            yield f"{status} is gone"
            continue
        for code in sorted(_codes(response) - _codes(found)):
            yield f"{status} has no {code} any more"
        for header in response.get("headers", {}):
            if header not in found.get("headers", {}):
                yield f"{status} has no header {header} any more"
        for kind, content in response.get("content", {}).items():
            there = found.get("content", {}).get(kind)
            if there is None:
                yield f"{status} is no longer {kind}"
            elif "schema" in content and "schema" in there:
                yield from _Got(before, now).compare(content["schema"], there["schema"], status)


def _codes(response: Schema) -> set[str]:
    return set(response.get("content", {}).get("application/problem+json", {}).get("examples", ()))


class _Comparison:
    """Compares two schemas, each in the document it is of."""

    def __init__(self, before: Document, now: Document) -> None:
        self._before = before
        self._now = now
        self._open: list[tuple[str, str]] = []

    def compare(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        pair = (str(old.get("$ref")), str(new.get("$ref")))
        if len(self._open) > DEPTH_MAX or (pair in self._open and pair != ("None", "None")):
            return
        self._open.append(pair)
        old, new = _resolved(self._before, old), _resolved(self._now, new)
        before, after = _types(self._before, old), _types(self._now, new)
        yield from self.types(before, after, at)
        if _parts(old) or _parts(new):
            yield from self.choices(old, new, at)
        elif before & after:
            yield from self.alike(old, new, at)
        self._open.pop()

    def alike(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        """Compare schemas of one type, neither of which is a choice."""
        yield from self.values(old, new, at)
        yield from self.fields(old, new, at)
        if "items" in old and "items" in new:
            yield from self.compare(old["items"], new["items"], f"{at}[]")
        known, found = old.get("additionalProperties"), new.get("additionalProperties")
        if isinstance(known, dict) and isinstance(found, dict):
            yield from self.compare(known, found, f"{at}.*")
        elif isinstance(known, dict) and found is False:
            yield f"{at} has no fields of any name now"

    def choices(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        """Compare the choices of the same type with each other, in order."""
        for kind in ("object", "array", "string", "integer", "number", "boolean"):
            before, now = _choices(self._before, old, kind), _choices(self._now, new, kind)
            # That there are fewer or more is a type's matter.
            for one, other in zip(before, now, strict=False):
                yield from self.compare(one, other, at)

    def types(self, before: set[str], after: set[str], at: str) -> Iterator[str]:
        raise NotImplementedError

    def values(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        raise NotImplementedError

    def fields(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        raise NotImplementedError


class _Sent(_Comparison):
    """Of what a client sends: everything that was taken has to be taken."""

    def types(self, before: set[str], after: set[str], at: str) -> Iterator[str]:
        if gone := before - after:
            yield f"{at} takes no {' or '.join(sorted(gone))} any more"

    def values(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        gone = _enumerated(old) - _enumerated(new) if _enumerated(new) else set()
        if gone or (_enumerated(new) and not _enumerated(old)):
            yield f"{at} takes fewer values: {sorted(gone)}"
        for bounds, sign in ((LOWER_BOUNDS, 1), (UPPER_BOUNDS, -1)):
            for bound in bounds:
                if bound in new and (bound not in old or (new[bound] - old[bound]) * sign > 0):
                    yield f"{at} has a tighter {bound}: {new[bound]}"
        for name in ("pattern", "format"):
            if name in new and new[name] != old.get(name):
                yield f"{at} has another {name}"

    def fields(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        known, found = old.get("properties", {}), new.get("properties", {})
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{at}.{name} is required now"
        for name, schema in known.items():
            if name not in found:
                if new.get("additionalProperties") is False:
                    yield f"{at}.{name} is taken no longer"
                continue
            yield from self.compare(schema, found[name], f"{at}.{name}")


class _Got(_Comparison):
    """Of what a client gets: nothing may come that could not have come."""

    def types(self, before: set[str], after: set[str], at: str) -> Iterator[str]:
        if new := after - before:
            yield f"{at} may be {' or '.join(sorted(new))} now"

    def values(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        more = _enumerated(new) - _enumerated(old) if _enumerated(old) else set()
        if more or (_enumerated(old) and not _enumerated(new)):
            yield f"{at} may have other values: {sorted(more)}"
        if old.get("format") != new.get("format"):
            yield f"{at} has another format"

    def fields(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        known, found = old.get("properties", {}), new.get("properties", {})
        for name, schema in known.items():
            if name not in found:
                yield f"{at}.{name} is gone"
                continue
            if name in old.get("required", ()) and name not in new.get("required", ()):
                yield f"{at}.{name} may be missing now"
            yield from self.compare(schema, found[name], f"{at}.{name}")


def _resolved(document: Document, schema: Schema) -> Schema:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _parts(schema: Schema) -> list[Schema]:
    return list(schema.get("anyOf") or schema.get("oneOf") or ())


def _choices(document: Document, schema: Schema, kind: str) -> list[Schema]:
    parts = _parts(schema)
    if not parts:
        return [schema] if kind in _types(document, schema) else []
    return [
        choice for part in parts for choice in _choices(document, _resolved(document, part), kind)
    ]


def _types(document: Document, schema: Schema) -> set[str]:
    if parts := _parts(schema):
        return {kind for part in parts for kind in _types(document, _resolved(document, part))}
    kind = schema.get("type", "anything")
    return set(kind) if isinstance(kind, list) else {kind}


def _enumerated(schema: Schema) -> set[str]:
    values = [schema["const"]] if "const" in schema else schema.get("enum", ())
    return {json.dumps(value) for value in values}


if __name__ == "__main__":
    sys.exit(main())
