"""Paint scenes with Pillow, from plain polygons up to the marks of a camera."""
