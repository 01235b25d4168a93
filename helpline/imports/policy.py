"""Who sees an import: whoever imports for the centre."""

IMPORTS = "centre_id = ANY ((SELECT app.centres_of('import'))::uuid[])"
PART_OF_IMPORT = "EXISTS (SELECT 1 FROM call_imports parent WHERE parent.id = import_id)"
