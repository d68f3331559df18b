"""Errors as the REST interface tells them: RFC 9457 problem+json whose `detail` says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from cloud_hub.model import Api

MEDIA_TYPE = "application/problem+json"


class FieldProblem(Api):
    """What is wrong with one field of a request; `field` is its path, such as `body.order.text`."""

    field: str
    message: str


class ProblemBody(Api):
    """An error. `type` is a stable word for programs, `detail` a sentence for people."""

    type: str
    title: str
    status: int
    detail: str
    fields: tuple[FieldProblem, ...] = ()


class Problem(Exception):
    """Raised anywhere below a route, answered as a ProblemBody."""

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers


def response(
    status: int,
    kind: str,
    detail: str,
    fields: list[FieldProblem] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = ProblemBody(
        type=f"urn:yizhan:{kind}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        fields=tuple(fields or ()),
    )
    return JSONResponse(body.model_dump(), status_code=status, media_type=MEDIA_TYPE, headers=headers)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return response(error.status, error.kind, error.detail, headers=error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [FieldProblem(field=".".join(map(str, e["loc"])), message=e["msg"]) for e in error.errors()[:20]]
    first = f"{fields[0].field}: {fields[0].message}" if fields else "unreadable"
    return response(422, "invalid-request", f"The request is not as /docs describes it: {first}.", fields)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = {
        404: "There is nothing at this address; /docs lists what there is.",
        405: "This address does not take that method; /docs lists what it takes.",
    }
    detail = details.get(error.status_code, str(error.detail))
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return response(error.status_code, kind, detail, headers=error.headers)


async def _bug(_: Request, __: Exception) -> Response:
    return response(500, "hub-failed", "The hub failed at this request; its log says how.")


def install(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)
