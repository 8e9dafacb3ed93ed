"""Tasks that train models, one file a method; what they share stands beside them."""
