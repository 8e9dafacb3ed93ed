"""Finds what looks like a secret in texts that are about to leave the machine.

Contract: the patterns are those of keys whose issuers publish their prefix, so that a hit is hardly ever a word of a
text; and whatever value the environment holds under a name that says so. A secret that is found is never shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

# Prefix and least length, as their issuers document them.
PATTERNS = {
    "an API key of Anthropic": r"sk-ant-[A-Za-z0-9_-]{20,}",
    "an API key like OpenAI's": r"sk-(?!ant-)(?:proj-|svcacct-|or-v1-)?[A-Za-z0-9_-]{20,}",
    "a token of Hugging Face": r"hf_[A-Za-z0-9]{30,}",
    "a token of GitHub": r"(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})",
    "an access key of AWS": r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    "an API key of Google": r"AIza[A-Za-z0-9_-]{35}",
    "a token of Slack": r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----",
}
NAMES = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PGPASSWORD)$")
# Shorter values of the environment would be found in any text.
MIN_VALUE_CHARACTERS = 8


class SecretScan:
    """Looks for secrets.

    Args:
        environment: Where secret values are looked up; that of the process by default.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        found = os.environ if environment is None else environment
        values = {
            value.strip(): name
            for name, value in found.items()
            if NAMES.search(name.upper()) and len(value.strip()) >= MIN_VALUE_CHARACTERS
        }
        self._names = values
        self._kinds = list(PATTERNS)
        # one pattern for all, since most texts have none; a key is no part of a longer word
        parts = [rf"(?P<p{i}>(?<![A-Za-z0-9]){pattern})" for i, pattern in enumerate(PATTERNS.values())]
        parts += [f"(?P<v>{'|'.join(map(re.escape, values))})"] if values else []
        self._pattern = re.compile("|".join(parts))

    def find(self, text: str) -> str | None:
        """Returns what kind of secret a text holds, without showing it; None where there is none."""
        match = self._pattern.search(text)
        if match is None:
            return None
        if match.lastgroup == "v":
            return f"the value of {self._names[match.group()]}"
        return self._kinds[int((match.lastgroup or "p0")[1:])]
