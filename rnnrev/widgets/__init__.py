"""Widgets for the perturbation experiments: one front end for JupyterLab and for the static page."""
