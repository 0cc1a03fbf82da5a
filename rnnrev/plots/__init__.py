"""Figures, one module a chapter: they draw what the analyses return and compute nothing."""
