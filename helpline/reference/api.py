"""API routes of reference."""

from helpline.web.api import ApiBlueprint

api = ApiBlueprint("reference", "reference")
