"""API routes of calls."""

from helpline.web.api import ApiBlueprint

api = ApiBlueprint("calls", "calls")
