"""Words for the codes that stand in the database, by vocabulary: `word("channel", "sms")`. A test holds it complete."""

from collections.abc import Mapping

from flask import Flask
from flask_babel import lazy_gettext as _l

from helpline.web.deeds import DEEDS, DETAILS, RECORDS

WORDS: Mapping[str, Mapping[str, object]] = {
    "risk": {"immediate": _l("Immediate"), "high": _l("High"), "medium": _l("Medium"), "low": _l("Low")},
    "channel": {
        "phone": _l("Phone"), "sms": _l("SMS"), "web_chat": _l("Web chat"), "messenger": _l("Messenger"),
        "email": _l("E-mail"), "letter": _l("Letter"), "walk_in": _l("Walk-in"), "social": _l("Social media"),
    },
    "direction": {"in": _l("in"), "out": _l("out")},
    "call_direction": {"in": _l("They called us"), "out": _l("We called them")},
    "perpetrator": {
        "parent": _l("Parent"), "step_parent": _l("Step-parent"), "grandparent": _l("Grandparent"),
        "sibling": _l("Brother or sister"), "other_relative": _l("Another relative"), "partner": _l("Partner"),
        "former_partner": _l("Former partner"), "acquaintance": _l("Somebody known"), "stranger": _l("A stranger"),
        "unknown": _l("Not told"),
    },
    "kind": {
        "counselling": _l("Counselling"), "silent": _l("Silent"), "hang_up": _l("Hung up"), "abusive": _l("Abusive"),
        "thanks": _l("Thanks"), "wrong_number": _l("Wrong number"), "test": _l("Test"),
        "information": _l("Information"), "other": _l("Other"),
    },
    "gender": {"female": _l("Girl"), "male": _l("Boy"), "other": _l("Other"), "unknown": _l("Not told")},
    "adult_gender": {"female": _l("Woman"), "male": _l("Man"), "other": _l("Other"), "unknown": _l("Not told")},
    "age_known": {"exact": _l("Exact"), "about": _l("About"), "unknown": _l("Not told")},
    "age_band": {
        "unborn": _l("Unborn"), "0-5": _l("0–5"), "6-9": _l("6–9"), "10-12": _l("10–12"), "13-15": _l("13–15"),
        "16-17": _l("16–17"), "18-25": _l("18–25"), "26+": _l("26 and over"), "unknown": _l("Not told"),
    },
    "relation": {
        "self": _l("The child"), "parent": _l("Parent"), "sibling": _l("Brother or sister"),
        "relative": _l("Relative"), "neighbour": _l("Neighbour"), "friend": _l("Friend"), "teacher": _l("Teacher"),
        "police": _l("Police"), "health_worker": _l("Health worker"),
        "other_professional": _l("Another professional"), "other": _l("Somebody else"), "unknown": _l("Not told"),
    },
    "answer": {"yes": _l("Yes"), "no": _l("No"), "unknown": _l("Not known")},
    "action": {
        "counselling": _l("Counselling"), "information": _l("Information"), "safety_plan": _l("Safety plan"),
        "direct_intervention": _l("Direct intervention"), "resources": _l("Resources recommended"),
        "referral_child_protection": _l("Referred: child protection"), "referral_health": _l("Referred: health"),
        "referral_police": _l("Referred: police"), "referral_mental_health": _l("Referred: mental health"),
        "referral_school": _l("Referred: school"), "referral_legal": _l("Referred: legal help"),
        "referral_shelter": _l("Referred: shelter"), "referral_other": _l("Referred: elsewhere"),
        "emergency_dispatch": _l("Emergency sent"), "abuse_material_reported": _l("Abuse material reported"),
    },
    "source": {"live": _l("Logged here"), "imported": _l("From an old log")},
    "weekday": {
        "1": _l("Mon"), "2": _l("Tue"), "3": _l("Wed"), "4": _l("Thu"), "5": _l("Fri"), "6": _l("Sat"), "7": _l("Sun"),
    },
    "referral_state": {
        "requested": _l("Looking for an agency"), "asked": _l("Waiting for an answer"), "accepted": _l("Accepted"),
        "exhausted": _l("Nobody could help"), "withdrawn": _l("Withdrawn"), "service_started": _l("Service begun"),
        "delivered": _l("Service given"), "not_delivered": _l("Service not given"),
    },
    "import_state": {
        "uploaded": _l("Waiting for its columns"), "checking": _l("Being read"), "checked": _l("Ready to import"),
        "importing": _l("Being imported"), "done": _l("Imported"), "failed": _l("Could not be read"),
    },
    "reject": {
        "value_missing": _l("A needed value is missing"), "datetime_unreadable": _l("This is no date and time"),
        "date_unreadable": _l("This is no date"), "integer_unreadable": _l("This is no whole number"),
        "choice_unreadable": _l("Nobody said what this means"), "broken_quotes": _l("Its quotation marks do not match"),
        "row_empty": _l("The row is empty"), "too_few_cells": _l("The row has too few cells"),
        "too_many_cells": _l("The row has too many cells"),
    },
    "permission": {
        "call:log": _l("Log calls"), "call:read": _l("Read calls"), "call:correct": _l("Correct calls"),
        "call:void": _l("Void calls"), "call:import": _l("Bring in old logs"), "import:read": _l("See old logs"),
        "case:open": _l("Begin cases"), "case:read": _l("Read cases"), "case:assign": _l("Give cases to caseworkers"),
        "case:update": _l("Work on cases"), "case:close": _l("Ask to close cases, or close them"),
        "case:restrict": _l("Say to whom a case is closed"), "glass:break": _l("Take emergency access"),
        "glass:read": _l("See emergency access"), "glass:review": _l("Review emergency access"),
        "referral:read": _l("See referrals"), "referral:request": _l("Seek services"),
        "referral:route": _l("Choose agencies"), "referral:answer": _l("Answer for an agency"),
        "followup:read": _l("See follow-ups"), "followup:plan": _l("Plan follow-ups"),
        "followup:complete": _l("Record follow-ups"), "followup:remind": _l("Remind of follow-ups"),
        "message:read": _l("Read their inbox"), "message:send": _l("Send messages"),
        "delivery:read": _l("See mail that may not have arrived"),
        "delivery:resolve": _l("Settle mail that may not have arrived"), "figures:read": _l("See figures"),
        "audit:read": _l("See the audit"), "audit:seal": _l("Seal the audit"),
        "alert:read": _l("See alerts about reading"),
        "alert:raise": _l("Raise alerts about reading"), "alert:settle": _l("Settle alerts about reading"),
        "matrix:read": _l("See this matrix"), "agency:read": _l("See agencies"),
        "agency:edit": _l("Change agencies"), "user:read": _l("See staff"), "user:edit": _l("Change staff"),
        "centre:edit": _l("Change the centre and its teams"),
        "approval:ask": _l("Ask for what needs two people"), "approval:read": _l("See what needs two people"),
        "approval:decide": _l("Decide what needs two people"), "reference:read": _l("Use places and reasons"),
        "account:own": _l("Keep their own account"), "keys:lock": _l("Lock the keys in an emergency"),
        "keys:rotate": _l("Renew the master key"), "person:search": _l("Search for people"),
        "retention:read": _l("See what is due, held and erased"), "retention:edit": _l("Say how long things are kept"),
        "retention:review": _l("Decide what is kept longer, ask for an erasure"),
        "hold:set": _l("Hold records, lift holds"), "erasure:carry": _l("Erase what two people agreed on"),
    },
    "field_group": {
        "child_identity": _l("Who the child is"), "contact": _l("Phone and contact"),
        "location": _l("Where the child is"), "story": _l("The story"),
        "alleged_perpetrator": _l("Who is said to have done it"), "health": _l("Health"), "risk": _l("Risk"),
        "case_administration": _l("Steps and dates of the case"), "statistics": _l("What is counted"),
        "directory": _l("Agencies, staff and places"), "account": _l("Their own account"),
    },
    "scope": {
        "none": _l("taken away"), "own": _l("own"), "assigned": _l("given to them"), "team": _l("their teams"),
        "centre": _l("the centre"), "all": _l("everywhere"),
    },
    "field_access": {"mask": _l("hidden"), "read": _l("reads"), "write": _l("writes")},
    "record": RECORDS,
    "deed": DEEDS,
    "detail": DETAILS,
    "witness": {"file": _l("a file"), "webhook": _l("an address on the net"), "mail": _l("mail")},
    "alert": {
        "many_in_hour": _l("Many records within an hour"), "many_in_day": _l("Many records in a day"),
        "at_night": _l("Records read at night"), "denied": _l("Tried to read a record that is closed to them"),
    },
    "door": {
        "page": _l("by page"), "api": _l("by API"), "portal": _l("by an agency's link"), "worker": _l("by itself"),
        "cli": _l("by command"),
    },
    "machine": {
        "visitor": _l("Not signed in"), "router": _l("Routing"), "reminder": _l("Reminders"),
        "locker": _l("By the prepared link"), "rotator": _l("Renewal of the master key"),
        "messenger": _l("Messages"), "importer": _l("Old logs"), "notary": _l("Seal of the audit"),
        "watcher": _l("Watch over reading"), "keeper": _l("Set-up"),
        "searcher": _l("Search"), "eraser": _l("Erasure"),
    },
}  # fmt: skip


def word(vocabulary: str, code: object) -> str:
    """The word for a code in the language of the moment; the code itself where none is known; "" for None."""
    if code is None:
        return ""
    return str(WORDS[vocabulary].get(str(code), code))


def init_words(app: Flask) -> None:
    app.jinja_env.globals["word"] = word
