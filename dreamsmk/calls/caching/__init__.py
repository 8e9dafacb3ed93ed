"""The call cache: what it is, its two databases, who may make a call, and calls that come from elsewhere."""
