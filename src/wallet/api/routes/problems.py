"""Problems: what the `type` of an error leads to."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import ConfigDict

from wallet.api.fields import Answer, JsonObject
from wallet.api.problems import ValidationFailed, problem_responses, status_of
from wallet.domain.errors import NotFound, WalletError

router = APIRouter(tags=["Operations"])


KIND_EXAMPLE: JsonObject = {
    "code": "insufficient-funds",
    "title": "The wallet does not hold enough available money",
    "status": 422,
    "description": "The wallet does not hold enough available money.",
}


class ProblemKind(Answer):
    """What a code means."""

    model_config = ConfigDict(json_schema_extra={"examples": [KIND_EXAMPLE]})

    code: str
    title: str
    status: int
    description: str


def _kinds() -> dict[str, type[WalletError]]:
    """Return every error there is, by code."""
    found: dict[str, type[WalletError]] = {}
    waiting: list[type[WalletError]] = [WalletError]
    while waiting:
        kind = waiting.pop()
        found.setdefault(kind.code, kind)
        waiting += kind.__subclasses__()
    return found


@router.get(
    "/problems/{code}",
    operation_id="getProblem",
    summary="What does this problem mean?",
    responses=problem_responses(NotFound, ValidationFailed),
)
async def get_problem(
    code: Annotated[str, Path(pattern="^[a-z-]+$", max_length=64)],
) -> ProblemKind:
    """Return what a problem's code means; its `type` leads here."""
    kind = _kinds().get(code)
    if kind is None:
        raise NotFound
    description = " ".join((kind.__doc__ or "").split())
    return ProblemKind(
        code=code, title=kind.title(), status=status_of(kind), description=description
    )
