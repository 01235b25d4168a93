"""Pages of agencies."""

from flask import Blueprint

pages = Blueprint("agencies", __name__, template_folder="templates")
