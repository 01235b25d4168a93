"""The closed lists of words about follow-ups."""

from enum import StrEnum


class FollowUpKind(StrEnum):
    """What is to be done by the due time."""

    ASSIGNMENT = "assignment"
    FIRST_RESPONSE = "first_response"
    CONTACT = "contact"
    REVIEW = "review"
