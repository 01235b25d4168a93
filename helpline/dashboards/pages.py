"""Pages of dashboards."""

from flask import Blueprint

pages = Blueprint("dashboards", __name__, template_folder="templates")
