"""Words for the codes that stand in the database, by vocabulary: `word("channel", "sms")`. A test holds it complete."""

from collections.abc import Mapping

from flask import Flask
from flask_babel import lazy_gettext as _l

from helpline.web.deeds import DEEDS, DETAILS, RECORDS, SAID, VALUES

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
        "approval:decide": _l("Decide what needs two people"),
        "export:make": _l("Give out what is held of one child"), "export:read": _l("See what was taken out"),
        "export:bulk": _l("Ask to take out many records"), "disclosure:read": _l("See what left the house"),
        "disclosure:record": _l("Enter what they told others"), "demand:read": _l("See demands of authorities"),
        "demand:record": _l("Enter demands of authorities"), "breach:read": _l("See breaches"),
        "breach:record": _l("Keep the log of breaches"), "processing:read": _l("See the register of processing"),
        "reference:read": _l("Use places and reasons"),
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
        "register": _l("Demands and breaches"),
    },
    "recipient": {
        "child": _l("The child"), "family": _l("Family or carer"), "lawyer": _l("A lawyer"), "police": _l("Police"),
        "court": _l("A court"), "ministry": _l("A ministry"), "health": _l("Health care"), "school": _l("School"),
        "agency": _l("Partner agency"), "other": _l("Somebody else"),
    },
    "means": {
        "spoken": _l("Face to face"), "telephone": _l("By telephone"), "paper": _l("On paper"), "mail": _l("By mail"),
        "file": _l("As a file"),
    },
    "disclosure_basis": {
        "consent": _l("Consent"), "subject_request": _l("The child or its family asked for it"),
        "best_interest": _l("Best interest of the child"), "mandatory_report": _l("Mandatory report"),
        "court_order": _l("Order of a court"), "danger_to_life": _l("Danger to life"),
    },
    "withheld": {
        "other_person": _l("It is about another person"), "told_by_another": _l("Another person told it"),
        "alleged_perpetrator": _l("It is about who is said to have done it"),
        "consent": _l("Consent keeps it back"), "mixed": _l("Other people are in it and can't be told apart"),
        "staff": _l("It names staff"), "by_hand": _l("Kept back by whoever prepared this"),
        "not_told": _l("An authority demanded it, and they are not to be told yet"),
    },
    "section": {
        "identity": _l("Who you are to us"), "call": _l("Calls"), "case": _l("Cases"), "note": _l("Notes"),
        "referral": _l("Help asked of others"), "followup": _l("Follow-ups"),
        "disclosure": _l("What was told to others"), "reading": _l("Who read it"),
    },
    "held": {
        "name": _l("Name"), "phone": _l("Phone"), "age": _l("Age"), "gender": _l("Girl or boy"),
        "language": _l("Language"), "nationality": _l("Nationality"), "ethnicity": _l("Ethnicity"),
        "schooling": _l("Schooling"), "living_situation": _l("Living situation"), "disability": _l("Disability"),
        "number": _l("Number"), "channel": _l("Channel"), "call_kind": _l("Kind of call"),
        "who_called": _l("Who called"), "caller": _l("The caller"), "other_children": _l("Other children"),
        "place": _l("Place"), "reasons": _l("Reasons"), "risk": _l("Risk"), "danger": _l("Questions about danger"),
        "near_person_feared": _l("Near who is feared"), "told": _l("What was told"),
        "risk_reason": _l("Why this risk"), "done": _l("What was done"), "voided": _l("Why it was voided"),
        "original": _l("Row of the old log"), "earlier_states": _l("Earlier states"), "staff": _l("Staff"),
        "step": _l("Step"), "needs": _l("Needs"), "summary": _l("Summary"),
        "consent_services": _l("Agreed to help by others"), "consent_reporting": _l("Agreed to a report"),
        "consent_disclosure": _l("Agreed that the story is passed on"), "consent_by": _l("Who agreed"),
        "withhold": _l("Not to be told to others"), "consent_why": _l("Why it is withheld"),
        "close_reason": _l("Why it was closed"), "note_kind": _l("Kind of note"), "note": _l("Note"),
        "service": _l("Service"), "state": _l("State"), "agency": _l("Agency"), "answer": _l("Answer"),
        "decline_note": _l("What the agency wrote"), "followup_kind": _l("What was planned"),
        "outcome": _l("What came of it"), "task": _l("Task"), "reason": _l("Why it was moved or called off"),
        "left": _l("How it left the house"), "recipient": _l("Given to"), "basis": _l("Why that was lawful"),
        "authority": _l("Authority"), "groups": _l("What kinds of data"), "recipient_name": _l("Who exactly"),
        "what": _l("What was given"), "role": _l("Who read"), "record": _l("What was read"),
        "times": _l("How often"),
    },
    "left": {
        "asked": _l("An agency was asked"), "opened": _l("An agency opened the request"),
        "mail": _l("A mail with a link left"), "by_hand": _l("Told or given by hand"),
        "export": _l("What is held was given out"), "demand": _l("An authority demanded it"),
    },
    "authority": {
        "police": _l("Police"), "prosecutor": _l("Prosecutor"), "court": _l("A court"), "ministry": _l("A ministry"),
        "security": _l("Security service"), "local_authority": _l("Local authority"), "other": _l("Somebody else"),
    },
    "demand_basis": {
        "court_order": _l("Order of a court"), "warrant": _l("Warrant"), "written_request": _l("Written request"),
        "law": _l("A law, without a paper"), "none_shown": _l("None was shown"),
    },
    "demand_outcome": {
        "pending": _l("Not decided yet"), "given": _l("Given"), "partly": _l("Partly given"),
        "refused": _l("Refused"), "taken": _l("Taken without our doing"),
    },
    "told": {"told": _l("Told"), "later": _l("To be told later"), "not_told": _l("Not told")},
    "affected": {
        "identity": _l("Who the child is"), "contact": _l("Phone and contact"), "location": _l("Where the child is"),
        "story": _l("The story"), "health": _l("Health"), "staff": _l("Staff"),
        "credentials": _l("Passwords or keys"), "availability": _l("Lost, or out of reach"),
    },
    "breach_step": {
        "note": _l("Found out"), "measure": _l("Done about it"), "authority_told": _l("The authority was told"),
        "subjects_told": _l("Those affected were told"), "closed": _l("Close the log"),
    },
    "breach_state": {
        "running": _l("The 72 hours run"), "late": _l("The 72 hours are over"), "told": _l("The authority was told"),
        "closed": _l("Closed"),
    },
    "activity": {
        "calls": _l("Answering children and people who worry about them"),
        "people": _l("Knowing who a child, a caller or a carer is"),
        "search": _l("Finding a child again, and warning of a double"),
        "cases": _l("Following one child until it is safe"),
        "followups": _l("Keeping what was promised to a child"),
        "referrals": _l("Asking other services to help a child"),
        "imports": _l("Bringing in old logs"), "messages": _l("Telling staff and agencies that something waits"),
        "protection": _l("Keeping a case from those who may not see it, and opening it in an emergency"),
        "giving": _l("Giving out what is held, and keeping account of it"),
        "breaches": _l("Answering for what got out or was lost"),
        "directory": _l("Knowing which services there are"),
        "staff": _l("Letting staff in, and nobody else"),
        "audit": _l("Proving who did and read what"),
        "keeping": _l("Keeping records as long as needed, and erasing them"),
        "machinery": _l("Running the service; no personal data"),
    },
    "keeping": {
        "erased": _l("As long as the centre's rules of keeping say; calls and cases are erased by two people alone"),
        "audit": _l("As long as the audit: nothing is removed from it"),
        "exports": _l("A file three days at most, and not after its download; the entry about it stays"),
        "unused": _l("Until the account or the agency is no longer needed"),
        "none": _l("Nothing personal to be kept"),
    },
    "given_to": {
        "agencies": _l("Partner agencies, as far as consent goes"), "mail": _l("The mail server"),
        "subjects": _l("The child, its family or its lawyer"), "authorities": _l("Authorities"),
        "research": _l("Whoever counts, without names"), "witness": _l("The witness of the audit"),
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


def detail_word(detail: str, value: str) -> str:
    """What an entry of the audit tells more of a deed, in words; a code that has none as it is, its parts apart."""
    if detail == "taken":  # "case:read none", "health mask": what a role of the centre takes away, and what is left
        code, _, left = value.partition(" ")
        of, to = ("permission", "scope") if ":" in code else ("field_group", "field_access")
        return f"{word(of, code)}: {word(to, left)}"
    own = WORDS.get(VALUES.get(detail, ""), {})
    return str(own.get(value) or SAID.get(value) or value.replace("_", " "))


def init_words(app: Flask) -> None:
    app.jinja_env.globals["word"] = word
    app.jinja_env.globals["detail_word"] = detail_word
