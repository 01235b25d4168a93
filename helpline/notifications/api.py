"""API routes of notifications."""

from helpline.web.api import ApiBlueprint

api = ApiBlueprint("notifications", "notifications")
