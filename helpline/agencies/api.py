"""API routes of agencies."""

from helpline.web.api import ApiBlueprint

api = ApiBlueprint("agencies", "agencies")
