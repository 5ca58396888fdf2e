"""What goes wrong at the edge, and its document.

Every refusal is one JSON document of the 1.x shape: message, links, embedded errors. Clients of the
2.0 dialect (its paths, or `Accept: application/problem+json`) find the members of RFC 9457 beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from domain.errors import (
    Conflict,
    InvalidFlow,
    InvalidInput,
    InvalidInputs,
    LogUnavailable,
    NotFound,
    RecordTooLarge,
    TidewheelError,
)
from domain.flow.violations import FlowViolation, constraints, entity_errors
from projections.search import InvalidSort, UnsupportedFilter
from projections.store import StoreUnavailable

_PROBLEMS = "https://kestra.io/docs/api-reference/problems/"
_SLUGS = {
    400: "bad-request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    408: "timeout",
    409: "conflict",
    410: "resource-expired",
    413: "payload-too-large",
    415: "unsupported-media-type",
    422: "invalid-entity",
    423: "locked",
    429: "too-many-requests",
    503: "service-unavailable",
}


class Detail(NamedTuple):
    """One of several things that are wrong."""

    message: str
    path: str | None = None
    """Property path of the offending value."""


class ApiError(Exception):
    """A request that is refused: status, message and details, ready for the document."""

    def __init__(self, status: int, message: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = tuple(details)
        self.violations: Sequence[FlowViolation] = ()
        """Broken rules of a flow, for clients that want place and remedy."""
        self.headers: dict[str, str] = {}


def not_found(what: str = "") -> ApiError:
    """404: there is no such thing."""
    return ApiError(404, f"Not Found: {what}" if what else "Not Found")


def bad_request(what: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(400, f"Bad Request: {what}")


def missing_query(name: str) -> ApiError:
    """400: a parameter of the query is required."""
    return bad_request(f"Required QueryValue [{name}] not specified")


def missing_body(name: str) -> ApiError:
    """422: a body is required."""
    return ApiError(422, f"Invalid route params: Required Body [{name}] not specified")


def missing_part(name: str) -> ApiError:
    """422: a part of a form is required."""
    return ApiError(422, f"Invalid route params: Required Part [{name}] not specified")


def unprocessable(what: str) -> ApiError:
    """422: understood, and impossible."""
    return ApiError(422, f"Unprocessable Entity: {what}")


def illegal_argument(what: str) -> ApiError:
    """422: an argument that the thing's rules forbid."""
    return ApiError(422, f"Illegal argument: {what}")


def illegal_state(what: str) -> ApiError:
    """409: the thing's state forbids the request."""
    return ApiError(409, f"Illegal state: {what}")


def invalid_entity(what: str, *details: Detail) -> ApiError:
    """422: a rule of the entity is broken; details name the property paths."""
    return ApiError(422, f"Invalid entity: {what}", details)


def unconvertible(name: str, value: str, why: str) -> ApiError:
    """422: a parameter is not of its type."""
    text = f"Failed to convert argument [{name}] for value [{value}] due to: {why}"
    return ApiError(422, f"Internal server error: {text}")


def invalid_json(name: str, why: str, path: str | None = None) -> ApiError:
    """422: a JSON body is broken or not of the expected shape.

    Args:
        name: what errors call the body.
        why: the reason.
        path: where in the body, as `java.util.ArrayList[0]`; None: the body as a whole.
    """
    text = f"Failed to convert argument [{name}] for value [null] due to: {why}"
    return ApiError(422, "Invalid json mapping", [Detail(text, path or f"/{name}")])


def unsupported_media_type(given: str, *allowed: str) -> ApiError:
    """415: the body is of a type that the route does not read."""
    types = ", ".join(allowed)
    return ApiError(
        415,
        f"Unsupported Media Type: Content Type [{given}] not allowed. Allowed types: [{types}]",
    )


def method_not_allowed(method: str, path: str, allowed: Sequence[str]) -> ApiError:
    """405: the path exists for other methods."""
    methods = ", ".join(allowed)
    error = ApiError(
        405,
        f"Method Not Allowed: Method [{method}] not allowed for URI [{path}]. "
        f"Allowed methods: [{methods}]",
    )
    error.headers["allow"] = methods
    return error


def too_large(limit: int) -> ApiError:
    """413: the body is larger than the server takes."""
    return ApiError(
        413, f"Request Entity Too Large: the body is larger than the allowed {limit} bytes"
    )


def too_slow() -> ApiError:
    """408: the body did not arrive in time."""
    return ApiError(408, "Request Timeout: the body did not arrive in time")


def of_domain(error: TidewheelError) -> ApiError:
    """Return the refusal that a domain error stands for."""
    text = str(error)
    if isinstance(error, NotFound):
        return not_found(text)
    if isinstance(error, Conflict):
        return illegal_state(text)
    if isinstance(error, RecordTooLarge):
        return ApiError(413, f"Request Entity Too Large: {text}")
    if isinstance(error, LogUnavailable | StoreUnavailable):
        return ApiError(503, f"Service Unavailable: {text}")
    if isinstance(error, InvalidFlow):
        return invalid_flow(error)
    if isinstance(error, InvalidInputs):
        return invalid_entity(text)
    if isinstance(error, UnsupportedFilter):
        return ApiError(400, f"Invalid query filters: {text}")
    if isinstance(error, InvalidSort):
        return unprocessable(text)
    if isinstance(error, InvalidInput):
        return illegal_argument(text)
    return ApiError(500, "Internal server error: the server could not carry this out")


def invalid_flow(error: InvalidFlow) -> ApiError:
    """422: a flow's source breaks rules; every one is told."""
    violations = [v for v in error.violations if isinstance(v, FlowViolation)]
    text = constraints(violations) or str(error)
    if any(violation.kind == "source" for violation in violations):
        text = f"Illegal genericflow source: {text}"
    details = [Detail(message, path) for message, path in entity_errors(violations)]
    refusal = invalid_entity(text, *details)
    refusal.violations = violations
    return refusal


def violation_views(violations: Iterable[FlowViolation]) -> list[dict[str, Any]]:
    """Return broken rules with JSON path, place and remedy."""
    return [
        {
            "message": violation.message,
            "path": violation.path or "$",
            "line": violation.line,
            "column": violation.column,
            "remedy": violation.remedy,
        }
        for violation in violations
    ]


def document(error: ApiError, target: str, *, problem: bool = False) -> dict[str, Any]:
    """Return the document of a refusal.

    Args:
        error: what is refused.
        target: path with query, as the client sent it.
        problem: also write the members of RFC 9457.
    """
    body: dict[str, Any] = {
        "message": error.message,
        "logref": None,
        "path": None,
        "_links": {
            "self": {
                "href": target,
                "templated": False,
                "profile": None,
                "deprecation": None,
                "title": None,
                "hreflang": None,
                "type": None,
                "name": None,
            }
        },
        "_embedded": {},
    }
    if error.details:
        body["_embedded"] = {
            "errors": [
                {
                    "message": detail.message,
                    "logref": None,
                    "path": detail.path,
                    "_links": {},
                    "_embedded": {},
                }
                for detail in error.details
            ]
        }
    if problem:
        body |= problem_members(error, target.partition("?")[0])
    return body


def problem_members(error: ApiError, path: str) -> dict[str, Any]:
    """Return the members of RFC 9457 of a refusal."""
    members: dict[str, Any] = {
        "type": _PROBLEMS + _SLUGS.get(error.status, "internal-error"),
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.message,
        "instance": path,
    }
    if error.details:
        members["errors"] = [_problem_detail(detail) for detail in error.details]
    if error.violations:
        members["violations"] = violation_views(error.violations)
    return members


def _problem_detail(detail: Detail) -> dict[str, str]:
    if not detail.path:
        return {"detail": detail.message}
    dotted = detail.path.replace("[", ".").replace("]", "")
    pointer = "/" + "/".join(part for part in dotted.split(".") if part)
    return {"detail": detail.message, "pointer": pointer, "path": detail.path}
