"""Rows of tables as what models are trained on."""
