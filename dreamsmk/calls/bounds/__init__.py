"""What bounds calls: requests and tokens a minute, and budgets in tokens and money."""
