"""Secrets are found, and never shown."""

import pytest

from dreamsmk.bundles.secrets import SecretScan

SECRETS = {
    "sk-ant-api03-" + "Ab1_" * 10: "Anthropic",
    "sk-proj-" + "Ab1_" * 10: "OpenAI",
    "sk-" + "a1" * 20: "OpenAI",
    "hf_" + "aB" * 17: "Hugging Face",
    "ghp_" + "aB1" * 12: "GitHub",
    "AKIA" + "ABCD" * 4: "AWS",
    "AIza" + "a" * 35: "Google",
    "xoxb-123456789012-abc": "Slack",
    "-----BEGIN RSA PRIVATE KEY-----": "private key",
}


@pytest.mark.parametrize(("secret", "kind"), SECRETS.items())
def test_a_secret_in_a_text_is_found_and_not_shown(secret, kind):
    for text in (secret, f'{{"content":"use {secret}"}}', f"key={secret}\n", f"日本{secret}"):
        found = SecretScan({}).find(text)
        assert kind in found
        assert secret not in found


@pytest.mark.parametrize(
    "text",
    ["", "a task-based approach to risk-averse learning", "disk-" + "a" * 30, "sk-learn", "hf_hub", "AKIA", "xoxo"],
)
def test_a_plain_text_passes(text):
    assert SecretScan({}).find(text) is None


def test_values_of_the_environment_are_found_by_the_names_that_they_have():
    scan = SecretScan(
        {"MY_API_KEY": " correct horse ", "HOME": "/home/someone", "TOKEN": "short", "KEYBOARD": "german-de"}
    )
    assert scan.find("say correct horse to it") == "the value of MY_API_KEY"
    for text in ("/home/someone", "short", "german-de"):
        assert scan.find(text) is None
