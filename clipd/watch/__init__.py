"""Disk -> changes: events, scans, the state of each root, and the backlog they fill."""
