"""Tasks that make models out of what was downloaded."""
