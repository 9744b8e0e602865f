"""TOML -> a frozen Config; where clipd's files lie."""
