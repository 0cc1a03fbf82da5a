"""Figures of a report, and their style: they draw what the analyses return and compute nothing.

Those that only pages show are in :mod:`rnnrev.book.plots`.
"""
