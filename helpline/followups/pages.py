"""Pages of followups."""

from flask import Blueprint

pages = Blueprint("followups", __name__, template_folder="templates")
