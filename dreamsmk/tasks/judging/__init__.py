"""Tasks in which a model judges rows: filters, scores, ratings, classes, comparisons."""
