"""Side-by-side measurements, each a row that runs alone: ``python -m bench ROW``."""
