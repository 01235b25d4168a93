"""Pages of referrals."""

from flask import Blueprint

pages = Blueprint("referrals", __name__, template_folder="templates")
