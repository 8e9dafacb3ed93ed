"""Request, Response and the key of a call."""

from dreamsmk.requests.request import KEY_VERSION, Message, ModelIdentity, Request, Role, Sampling
from dreamsmk.requests.response import Response, Usage

__all__ = ["KEY_VERSION", "Message", "ModelIdentity", "Request", "Response", "Role", "Sampling", "Usage"]
