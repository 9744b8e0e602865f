"""Encoding far more photos than one machine likes to: on a Ray cluster, into a folder of parts.

A program of its own: the daemon never imports it, nor Ray, nor pyarrow. What it made is taken into
a catalog by ``clipd vectors import``. ``docs/bulk.md`` is for whoever uses it.
"""
