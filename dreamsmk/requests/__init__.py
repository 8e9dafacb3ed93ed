"""Request, Response, and the key of a call."""

from dreamsmk.requests.failure import Failure, FailureKind, Judge
from dreamsmk.requests.message import Image, Message, Role, ToolCall
from dreamsmk.requests.request import KEY_VERSION, NOT_IN_KEY, ModelIdentity, Request, Sampling, Wanted
from dreamsmk.requests.response import Response, Usage, encoded_vector

__all__ = [
    "KEY_VERSION",
    "NOT_IN_KEY",
    "Failure",
    "FailureKind",
    "Image",
    "Judge",
    "Message",
    "ModelIdentity",
    "Request",
    "Response",
    "Role",
    "Sampling",
    "ToolCall",
    "Usage",
    "Wanted",
    "encoded_vector",
]
