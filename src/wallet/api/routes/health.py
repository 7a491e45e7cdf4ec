"""For those who watch the service: is it alive, is it ready, and what do its numbers say."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict

from wallet.api.dependencies import client_of
from wallet.api.problems import problem_responses
from wallet.domain.errors import NotFound, Unavailable

READY_TIMEOUT_S = 2.0
GOOD = frozenset({"ok", "safe-mode"})

router = APIRouter(tags=["Operations"])


class NotReady(Unavailable):
    """The service is not ready to take requests."""

    code = "not-ready"


@dataclass(frozen=True, slots=True)
class EdgeServices:
    """What these routes need, under `app.state.edge`.

    `ready()` answers one word per part, "ok" where all is well. `metrics_networks` are the peers
    besides loopback that may read the metrics; None lets everybody.
    """

    ready: Callable[[], Awaitable[Mapping[str, str]]]
    render_metrics: Callable[[], tuple[bytes, str]]
    metrics_networks: Sequence[IPv4Network | IPv6Network] | None = ()

    def may_read_metrics(self, peer: str | None) -> bool:
        """Tell whether the peer at the other end of the connection may read the metrics."""
        if self.metrics_networks is None:
            return True
        try:
            address = ip_address(peer or "")
        except ValueError:
            # A Unix socket has no address, and anybody may stand behind it.
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address.is_loopback or any(
            address.version == network.version and address in network
            for network in self.metrics_networks
        )


class Liveness(BaseModel):
    """The process answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "alive"}]})

    status: str = "alive"


class Readiness(BaseModel):
    """Every part that requests need answers."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"status": "ready", "checks": {"database": "ok", "books": "ok"}}]
        }
    )

    status: str = "ready"
    checks: Mapping[str, str]


async def edge_services(request: Request) -> EdgeServices:
    """Return what the composition root has put under `app.state.edge`."""
    services: EdgeServices = request.app.state.edge
    return services


Services = Annotated[EdgeServices, Depends(edge_services)]


@router.get("/health/live", operation_id="getLiveness", summary="Is the process alive?")
async def get_liveness() -> Liveness:
    """Answer at once, without asking the database."""
    return Liveness()


@router.get(
    "/health/ready",
    operation_id="getReadiness",
    summary="Is the service ready for requests?",
    responses=problem_responses(NotReady),
)
async def get_readiness(services: Services) -> Readiness:
    """Ask every part that requests need; 503 names those that do not answer.

    `books` says `safe-mode` while no money moves because the self-audit found something wrong.
    """
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            checks = dict(await services.ready())
    except Exception as error:
        raise NotReady(checks={}) from error
    # In safe mode nothing moves, but who reads is served: the instance must stay in its pool.
    if any(word not in GOOD for word in checks.values()):
        raise NotReady(checks=checks)
    return Readiness(checks=checks)


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Metrics in the format of Prometheus",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **problem_responses(NotFound),
    },
)
async def get_metrics(request: Request, services: Services) -> Response:
    """Answer the sum over all workers; to strangers, as if there were nothing here.

    The peer of the connection counts, or whom one of our own proxies names.
    """
    # Our own proxy may stand on this machine: who counts is whoever it speaks for.
    if not services.may_read_metrics(client_of(request).address):
        raise NotFound
    # It reads the files of all workers, which is no work for the event loop.
    content, media_type = await asyncio.to_thread(services.render_metrics)
    return Response(content, media_type=None, headers={"content-type": media_type})
