"""What clipd keeps: the catalog (SQLite, the only truth) and the index (FAISS, a cache of it)."""
