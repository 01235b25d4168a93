"""A follow-up is seen by whoever sees its case; never by a partner's link."""

from helpline.foundation.access.rows import part_of

FOLLOWUPS = part_of("cases", "case", "case_id") + " AND (SELECT app.actor() ->> 'r') <> 'partner'"
