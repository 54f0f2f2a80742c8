"""PURE. What is derived from the synced files; the service files' templates will live here."""
