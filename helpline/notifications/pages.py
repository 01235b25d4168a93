"""Pages of notifications."""

from flask import Blueprint

pages = Blueprint("notifications", __name__, template_folder="templates")
