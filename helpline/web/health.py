"""Is it alive, is it ready: for the runner, the proxy and the person who looks."""

from datetime import timedelta

import redis
from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from helpline.foundation.clock import real_now
from helpline.foundation.crypto import keyring
from helpline.foundation.db import db
from helpline.web.guard import unguarded

health = Blueprint("health", __name__)
STALE = timedelta(seconds=30)
PARTS = ("relay", "worker", "beat", "search")


@health.get("/healthz")
@unguarded
def healthz() -> Response:
    """This process lives."""
    return jsonify(status="ok")


@health.get("/readyz")
@unguarded
def readyz() -> tuple[Response, int]:
    """Database, broker, relay, worker, beat and search all answer: the last four by what they wrote within 30 s.

    While the keys are locked it says `closed` and no more.
    """
    if not keyring.is_open():
        return jsonify(status="closed"), 503
    parts = {"database": False, "broker": _broker_answers()} | dict.fromkeys(PARTS, False)
    try:
        with db.engine.connect() as connection:
            beats = connection.execute(text("SELECT part, seen_at FROM app.heartbeats()")).all()
        parts["database"] = True
        fresh = {part for part, seen_at in beats if real_now() - seen_at < STALE}
        parts |= {part: part in fresh for part in PARTS}
    except SQLAlchemyError:
        pass
    ready = all(parts.values())
    return jsonify(status="ready" if ready else "not ready", parts=parts), 200 if ready else 503


def _broker_answers() -> bool:
    settings = current_app.extensions["helpline_settings"]
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
