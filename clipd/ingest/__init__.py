"""THE WRITE PATH: changes on disk -> rows in the catalog -> the index."""
