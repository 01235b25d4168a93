"""API routes of accounts."""

from helpline.web.api import ApiBlueprint

api = ApiBlueprint("accounts", "accounts")
