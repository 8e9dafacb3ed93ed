"""What a completion is worth."""


def short(prompts: list[str], completions: list[str]) -> list[float]:
    """Returns 1 for nothing, and less for each further word."""
    return [1 / (1 + len(text.split())) for text in completions]
