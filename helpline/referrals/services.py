"""Use cases of referrals."""

from helpline.web.credentials import SignedIn


def identify_link(token: str) -> SignedIn | None:
    return None
