"""Pages of calls."""

from flask import Blueprint

pages = Blueprint("calls", __name__, template_folder="templates")
