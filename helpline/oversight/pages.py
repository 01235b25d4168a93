"""Pages of oversight."""

from flask import Blueprint

pages = Blueprint("oversight", __name__, template_folder="templates")
