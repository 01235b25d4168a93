"""API routes of cases."""

from helpline.web.api import ApiBlueprint

api = ApiBlueprint("cases", "cases")
