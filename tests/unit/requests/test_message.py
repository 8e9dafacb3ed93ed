"""Images and tool calls of a conversation."""

import pytest

from dreamsmk.errors import RequestRejected
from dreamsmk.requests import Image

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_an_image_is_told_by_its_content_not_its_name(tmp_path, data, media_type):
    (tmp_path / "one.bin").write_bytes(data)
    (tmp_path / "two.png").write_bytes(data)
    one, two = Image.of(tmp_path / "one.bin"), Image.of(tmp_path / "two.png")
    assert one == two
    assert one.media_type == media_type
    assert one.read() == data


def test_a_file_that_is_no_image_is_named(tmp_path):
    (tmp_path / "notes.png").write_text("hello")
    with pytest.raises(RequestRejected, match=r"notes\.png"):
        Image.of(tmp_path / "notes.png")
    with pytest.raises(RequestRejected, match=r"missing\.png"):
        Image.of(tmp_path / "missing.png")


def test_an_image_that_changed_under_the_job_is_not_sent(tmp_path):
    path = tmp_path / "one.png"
    path.write_bytes(PNG)
    image = Image.of(path)
    path.write_bytes(PNG + b"more")
    with pytest.raises(RequestRejected, match="has changed"):
        image.read()
