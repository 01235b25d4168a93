"""Renewing the master key: every record's key is wrapped anew, while the service is used."""

from helpline.keys.services import rotating
from workers.task import job


@job("keys.rotate")
def rotate() -> None:
    """Take an open rotation on, or retire what was asked for."""
    rotating.advance()
