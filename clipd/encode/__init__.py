"""Pixels or text -> vectors: the handle (parent), the open_clip worker (child), the models.

Only the children (``worker``, ``describe`` and what they share: ``openclip``, ``precision``)
import torch; the rest is safe for the process that never may.
"""
