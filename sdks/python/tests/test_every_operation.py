"""Every operation of the document is called by both clients, over a real socket."""

import inspect
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scripts.build_python_sdk import read_document
from scripts.python_sdk_sources import synchronous
from sdks.python.tests import staff_tour, tour
from sdks.python.tests.conftest import new_name
from sdks.python.tests.live_service import LiveService

from wallet_sdk import AsyncWallet, Wallet


def synchronous_twin(tour: ModuleType) -> ModuleType:
    source = synchronous(Path(str(tour.__file__)).read_text())
    twin = ModuleType(f"synchronous_{tour.__name__}")
    exec(compile(source, f"{twin.__name__}.py", "exec"), twin.__dict__)  # noqa: S102 - our own
    return twin


@pytest.fixture(scope="module")
def documented() -> set[str]:
    document = json.loads(read_document())
    return {
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    }


async def test_the_asynchronous_client_calls_every_operation(
    service: LiveService, documented: set[str]
) -> None:
    called: set[str] = set()
    await tour.tour(service.url, new_name("tour"), called.add)

    def appoint(email: str) -> None:
        service.appoint(email, staff_tour.PASSWORD)

    await staff_tour.tour(service.url, new_name("staff"), called.add, appoint)
    assert documented - called == set()
    assert called - documented == {"-"}


def test_the_synchronous_client_calls_every_operation(
    service: LiveService, documented: set[str]
) -> None:
    called: set[str] = set()
    synchronous_twin(tour).tour(service.url, new_name("tour"), called.add)

    def appoint(email: str) -> None:
        service.appoint(email, staff_tour.PASSWORD)

    synchronous_twin(staff_tour).tour(service.url, new_name("staff"), called.add, appoint)
    assert documented - called == set()


def methods_of(client: type, instance: Any) -> dict[str, str]:
    """Return what can be called, with its arguments."""
    found = {}
    for space, part in {"": instance, **vars(instance)}.items():
        if space.startswith("_"):
            continue
        for name, member in inspect.getmembers(type(part)):
            if not name.startswith("_"):
                found[f"{space}.{name}"] = (
                    str(list(inspect.signature(member).parameters)) if callable(member) else ""
                )
    assert client.__doc__
    return found


async def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    async with AsyncWallet() as asynchronous:
        names = methods_of(AsyncWallet, asynchronous)
    with Wallet() as wallet:
        twin = methods_of(Wallet, wallet)
    assert names.pop(".aclose") == twin.pop(".close")
    assert names == twin
    assert ".settle" in names
    assert "transfers.create" in names
    assert len(names) > 80
