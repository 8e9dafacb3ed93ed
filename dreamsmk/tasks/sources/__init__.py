"""Tasks that bring in what no task made: files, data sets, models."""
