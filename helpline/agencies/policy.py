"""Who sees the directory: everybody of the centre whose role reads it. No child stands in it."""

from helpline.foundation.access.rows import part_of, visible

AGENCIES = visible("agency")
AGENCY_SERVICES = part_of("agencies", "agency", "agency_id")
AGENCY_COVERAGE = part_of("agencies", "agency", "agency_id")
