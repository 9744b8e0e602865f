"""Pixels or text -> vectors: the handle (parent), the open_clip worker (child), the models.

Only what the children run (``lane_server``, ``inspection`` and below: ``engine``, ``openclip``,
``precision``) imports torch; the rest is safe for the process that never may.
"""
