"""THE READ PATH: a query -> hits."""
