"""Tasks that turn texts into vectors or scores, and look up what is near."""
