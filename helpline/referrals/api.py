"""API routes of referrals."""

from helpline.web.api import ApiBlueprint

api = ApiBlueprint("referrals", "referrals")
