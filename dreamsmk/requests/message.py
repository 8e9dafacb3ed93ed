"""What a conversation is made of: messages, the images that they show, and the tools that they call."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dreamsmk.errors import RequestRejected
from dreamsmk.hashing import digest_bytes

Role = Literal["system", "user", "assistant", "tool"]

# By the first bytes of a file: what the services take (OpenAI "Images and vision", Anthropic "Vision").
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


@dataclass(frozen=True, slots=True)
class Image:
    """An image that a message shows.

    Attributes:
        digest: SHA-256 of its bytes: what the key of a call knows of it.
        media_type: `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
        path: Where its bytes lie; not part of the key, so that a moved image is the same one.
    """

    digest: str
    media_type: str
    path: Path | None = field(default=None, compare=False)

    @classmethod
    def of(cls, path: Path | str) -> Image:
        """Returns the image in a file.

        Raises:
            RequestRejected: The file cannot be read, or is no image that services take.
        """
        path = Path(path)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RequestRejected(f"an image cannot be read: {error.strerror}", where=str(path)) from error
        return cls(digest_bytes(data, "sha256"), _media_type(data, path), path)

    def read(self) -> bytes:
        """Returns the image's bytes.

        Raises:
            RequestRejected: The file is gone or has changed since its digest was taken.
        """
        if self.path is None:
            raise RequestRejected("the image is known by its digest alone", where=self.digest)
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise RequestRejected(f"an image cannot be read: {error.strerror}", where=str(self.path)) from error
        if digest_bytes(data, "sha256") != self.digest:
            raise RequestRejected("an image has changed since the job began", where=str(self.path), hint="run it again")
        return data


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool that a model asks for.

    Attributes:
        id: The provider's id of the call, which the tool's answer repeats.
        name: The tool's name.
        arguments: The arguments as the model wrote them: JSON, if it kept to the rules.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        content: The text; may be empty beside images or tool calls.
        images: Images that are shown with it.
        tool_calls: What the model asked tools for, in a message of the assistant.
        tool_call_id: Which call a message of the role `tool` answers.
    """

    role: Role
    content: str = ""
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


def _media_type(data: bytes, path: Path) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    for signature, media_type in SIGNATURES.items():
        if data.startswith(signature):
            return media_type
    raise RequestRejected("the file is no PNG, JPEG, GIF or WebP image", where=str(path))
