"""A fine-tuning job at OpenAI: its rows, its parameters, how it is started once and found again."""
