"""Tasks that ask a model about rows."""
