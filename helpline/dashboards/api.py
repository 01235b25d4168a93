"""API routes of dashboards."""

from helpline.web.api import ApiBlueprint

api = ApiBlueprint("dashboards", "dashboards")
