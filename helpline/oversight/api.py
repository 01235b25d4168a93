"""API routes of oversight."""

from helpline.web.api import ApiBlueprint

api = ApiBlueprint("oversight", "oversight")
