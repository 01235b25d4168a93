"""Where `flask` and WSGI servers look for the application by themselves."""

from helpline.app import create_app

__all__ = ["create_app"]
