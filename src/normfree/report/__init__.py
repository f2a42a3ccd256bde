"""Figures, tables and the page that are made from run directories. Knows no torch."""
