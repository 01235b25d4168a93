"""`flask` commands; each calls one service."""

from flask import Flask
from flask_migrate import Migrate

from helpline.foundation.db import db


def init_cli(app: Flask) -> None:
    """Give the application its commands."""
    Migrate(app, db, directory="migrations")
