"""Tasks that shape tables without a model."""
