"""What completions are worth, and how they are made while a policy is trained."""
