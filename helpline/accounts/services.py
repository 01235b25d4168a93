"""Use cases of accounts."""

from helpline.web.credentials import SignedIn


def identify_session(token: str) -> SignedIn | None:
    return None


def identify_token(token: str) -> SignedIn | None:
    return None
