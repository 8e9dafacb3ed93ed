"""Scores of what models write: one file a family of metrics, and the table and the plot that all of them share."""
