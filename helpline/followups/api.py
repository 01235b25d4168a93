"""API routes of followups."""

from helpline.web.api import ApiBlueprint

api = ApiBlueprint("followups", "followups")
