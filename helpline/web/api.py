"""The API's frame: one description (OpenAPI 3.1) generated from the same schemas that pages use."""

import json
from http import HTTPStatus
from typing import Any

import marshmallow as ma
import orjson
from apispec import BasePlugin
from flask import Flask, Request
from flask_smorest import Api as SmorestApi
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import fields as f
from webargs.core import missing
from webargs.flaskparser import FlaskParser, is_json_request

from helpline.web.guard import unguarded


class Problem(ma.Schema):
    """An error (RFC 9457): `application/problem+json`."""

    type = f.String(required=True)
    title = f.String(required=True)
    status = f.Integer(required=True)
    code = f.String(required=True, metadata={"description": "Stable and machine-readable"})
    errors = f.Dict(metadata={"description": "Field path to messages"})


# What any operation may answer besides: with a body, with an id in its path, when it writes.
_ALWAYS = {401: "No token, or one that no longer counts", 403: "Your role or this token may not"}
_OF_A_BODY = {
    400: "The body can't be read",
    413: "The body is too large",
    422: "The input breaks a rule; errors says where",
}
_OF_IDS = {404: "Nothing there, or nothing you may see"}
_OF_ARGUMENTS = {422: _OF_A_BODY[422], **_OF_IDS}
_OF_WRITING = {409: "Changed meanwhile, or no longer open to this", **_OF_ARGUMENTS}
_PROBLEM = "application/problem+json"


class _Errors(BasePlugin):
    """Puts every error answer in the description of every operation, as the problem+json it is."""

    def operation_helper(
        self, path: str | None = None, operations: dict[str, Any] | None = None, **_kwargs: Any
    ) -> None:
        for method, operation in (operations or {}).items():
            expected = dict(_ALWAYS) if operation.get("security") != [] else {}
            expected |= _OF_IDS if "{" in (path or "") else {}
            expected |= _OF_A_BODY if "requestBody" in operation else {}
            expected |= _OF_WRITING if method != "get" else {}
            answers = operation["responses"]
            expected |= _OF_ARGUMENTS if HTTPStatus.UNPROCESSABLE_ENTITY in answers else {}
            expected |= {
                s: a["description"] for s, a in answers.items() if s >= HTTPStatus.BAD_REQUEST and isinstance(a, dict)
            }
            problem = {_PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
            answers |= {s: {"description": text, "content": problem} for s, text in sorted(expected.items())}


class _StrictJson(FlaskParser):
    """JSON as RFC 8259 has it: no half characters, no numbers that nothing can hold, no nesting without end."""

    def _raw_load_json(self, req: Request) -> Any:
        data = req.get_data() if is_json_request(req) else b""
        try:
            return orjson.loads(data) if data else missing
        except orjson.JSONDecodeError as error:  # with a document of its own webargs would take it for an empty body
            raise json.JSONDecodeError(error.msg, "…", 0) from None


class Api(SmorestApi):  # type: ignore[misc]  # flask-smorest ships no types
    """flask-smorest without its error handlers: they would turn pages' errors into JSON too."""

    ERROR_SCHEMA = Problem
    DEFAULT_ERROR_RESPONSE_NAME = None  # each answer is described by itself

    def _register_error_handlers(self) -> None:
        """Errors are `web/errors.py`'s."""


class ApiBlueprint(SmorestBlueprint):  # type: ignore[misc]
    """A slice's API routes, under `/api/v1`."""

    ARGUMENTS_PARSER = _StrictJson()

    def __init__(self, name: str, description: str) -> None:
        super().__init__(f"api_{name}", name, url_prefix="/api/v1", description=description)


def make_api(app: Flask, blueprints: list[ApiBlueprint]) -> Api:
    """Register the slices' routes and serve `/api/v1/openapi.json`."""
    app.config.update(
        API_TITLE="Helpline", API_VERSION="v1", OPENAPI_VERSION="3.1.0", OPENAPI_URL_PREFIX="/api/v1",
        OPENAPI_JSON_PATH="openapi.json",
    )  # fmt: skip
    options: dict[str, Any] = {"info": {"description": "Calls, cases, referrals and follow-ups of a child helpline."}}
    api = Api(app, spec_kwargs=options | {"extra_plugins": [_Errors()]})
    api.spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    api.spec.options["security"] = [{"token": []}]
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith("api-docs."):
            app.view_functions[endpoint] = unguarded(_plain(view))
    return api


def _plain(view: Any) -> Any:
    """A function in place of a bound method, which takes no attributes."""

    def answer(**kwargs: Any) -> Any:
        return view(**kwargs)

    return answer
