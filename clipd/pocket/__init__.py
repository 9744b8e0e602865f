"""The embedded model: a CLIP small enough to ship, taught on pictures that clipd draws itself.

For trying clipd out and for tests; `CARD.md` says what it knows. Importing this package costs
nothing: the drawing, the training and the report each live in a module of their own.
"""
