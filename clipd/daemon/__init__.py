"""Everything that starts and stops, and what the API can ask of it."""
