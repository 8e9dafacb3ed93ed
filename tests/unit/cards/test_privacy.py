import pytest

from dreamsmk.cards.privacy import public_endpoint, public_path, public_setting, without_secrets


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("results/a.parquet", "results/a.parquet"),
        ("./results//a.parquet", "results/a.parquet"),
        ("/home/alice/p/a.parquet", "a.parquet"),
        ("../shared/a.parquet", "a.parquet"),
        ("~/models/m", "m"),
        ("file:///data/x/m", "m"),
        (r"C:\Users\alice\m", "m"),
    ],
)
def test_a_path_outside_the_workflow_is_shown_by_its_last_part(path, shown):
    assert public_path(path) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.together.xyz/v1", "api.together.xyz"),
        ("http://localhost:8000/v1", "private endpoint"),
        ("http://127.0.0.1:8000", "private endpoint"),
        ("http://10.1.2.3/v1", "private endpoint"),
        ("http://192.168.1.7:1234", "private endpoint"),
        ("http://172.20.0.2", "private endpoint"),
        ("http://[::1]:8000", "private endpoint"),
        ("http://gpu-node-7:8000", "private endpoint"),
        ("https://llm.corp.internal/v1", "private endpoint"),
        ("https://user:key@api.example.com/v1?key=1", "api.example.com"),
        ("localhost:8000", "private endpoint"),
    ],
)
def test_only_public_hosts_are_named(url, shown):
    assert public_endpoint(url) == shown


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ({"template": "/home/alice/p/t.txt"}, {"template": "t.txt"}),
        ({"base_url": "http://10.0.0.1"}, {"base_url": "private endpoint"}),
        ({"api_key": "abc"}, {"api_key": "[secret removed]"}),
        ({"url": "https://u:p@x.org/a?t=1"}, {"url": "https://x.org/a"}),
        ({"system": "/no_think"}, {"system": "/no_think"}),
        ({"text": "either/or and /a b/c"}, {"text": "either/or and /a b/c"}),
        ({"n": 3, "on": True, "none": None}, {"n": 3, "on": True, "none": None}),
        ({"files": ["/a/b/c.txt"]}, {"files": ["c.txt"]}),
    ],
)
def test_settings_lose_what_is_private_and_nothing_else(setting, shown):
    assert public_setting(setting) == shown


@pytest.mark.parametrize(
    "secret",
    [
        "hf_" + "a" * 34,
        "sk-" + "proj-" + "b" * 40,
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "ghp_" + "c" * 36,
        "eyJ" + "d" * 20 + "." + "e" * 20 + "." + "f" * 20,
    ],
)
def test_secrets_are_removed_from_any_text(secret):
    assert without_secrets({"prompt": [f"use {secret} now"]}) == {"prompt": ["use [secret removed] now"]}


def test_text_is_otherwise_left_word_for_word():
    text = "Solve x/y; see /api/v1 and http://localhost:3000/home, then risk-free task-1."
    assert without_secrets(text) == text


def test_folders_of_this_machine_are_taken_out_of_text():
    text = "read /srv/work/p/data/a.txt, /srv/work/pq and /home/alice/b"
    assert without_secrets(text, ["/srv/work/p"]) == "read data/a.txt, /srv/work/pq and ~/b"
