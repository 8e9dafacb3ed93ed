"""Tools: how a local model is told of them, and how the calls that it writes are read.

Contract: a model is only shown tools where its calls can be read back. How a model writes them is told by its tokenizer
(`response_template`, transformers 5) or stands in its chat template: the form of Hermes, a JSON object between
`<tool_call>` and `</tool_call>`. Nothing is guessed from a model's name. What looks like a call and cannot be read
stays in the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamsmk.errors import RequestRejected
from dreamsmk.requests import Request, ToolCall

HERMES = re.compile(r"\s*<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Said:
    """A reply, its calls told apart from its text."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None


# Any: JSON.
def tools_of(request: Request) -> list[dict[str, Any]] | None:
    """Returns a request's tools in the form of chat templates; None where the model is to be told of none."""
    if request.tool_choice == "none" or not request.tools:
        return None
    return [
        dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)} for tool in request.tools
    ]


# Any: a tokenizer of transformers.
def check_tools(request: Request, tokenizer: Any, template: str) -> None:
    """Raises `RequestRejected` where the model cannot be told of tools, or its calls could not be read.

    Args:
        request: A request with tools.
        tokenizer: The model's tokenizer.
        template: The chat template.
    """
    if request.tool_choice not in (None, "auto"):
        raise RequestRejected(
            f"a local model cannot be made to call a tool: tool_choice {request.tool_choice!r}",
            hint="take tool_choice auto or none",
        )
    if not _names_tools(template):
        raise RequestRejected(
            "the model's chat template takes no tools", hint="take a model that was trained with them"
        )
    if not _response_template(tokenizer) and not _is_hermes(template):
        raise RequestRejected(
            "neither tokenizer nor chat template tells how the model writes tool calls",
            hint="take a model whose template has <tool_call>, or whose tokenizer has a response_template",
        )


# Any: as above.
def read_calls(
    text: str, tokens: Sequence[int], request: Request, tokenizer: Any, prompt: Callable[[], Sequence[int]]
) -> Said:
    """Returns a reply with its calls told apart.

    Args:
        text: The reply's text.
        tokens: The tokens that the text is made of.
        request: The request.
        tokenizer: The model's tokenizer.
        prompt: Gives the tokens of the prompt, which may hold the beginning of the reply.
    """
    tools = tools_of(request)
    if not tools:
        return Said(text)
    if _response_template(tokenizer):
        return _by_template(text, tokens, tools, tokenizer, prompt)
    found = [(match, _call(match.group(1))) for match in HERMES.finditer(text)]
    calls = [(match, call) for match, call in found if call is not None]
    for match, _ in reversed(calls):
        text = text[: match.start()] + text[match.end() :]
    return Said(text, tuple(_numbered([call for _, call in calls])))


# Any: as above, and JSON.
def _by_template(
    text: str,
    tokens: Sequence[int],
    tools: list[dict[str, Any]],
    tokenizer: Any,
    prompt: Callable[[], Sequence[int]],
) -> Said:
    try:
        message = tokenizer.parse_response(list(tokens), prefix=list(prompt()), tools=tools)
        calls = [_function(call) for call in message.get("tool_calls") or []]
        content, reasoning = message.get("content") or "", message.get("reasoning_content") or message.get("thinking")
    # what a model writes need not keep to its template
    except (ValueError, KeyError, TypeError, AttributeError):
        return Said(text)
    return Said(content, tuple(_numbered(calls)), reasoning or None)


# Any: JSON.
def _call(written: str) -> Mapping[str, Any] | None:
    try:
        return _function(json.loads(written))
    except (ValueError, KeyError, TypeError):
        return None


# Any: JSON.
def _function(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call.get("function", call)
    arguments = function.get("arguments", function.get("parameters", {}))
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"name": str(function["name"]), "arguments": text}


# Any: JSON.
def _numbered(calls: Sequence[Mapping[str, Any]]) -> list[ToolCall]:
    # ids need only tell the calls of one reply apart, and a reply must not depend on chance
    return [ToolCall(f"call_{place}", call["name"], call["arguments"]) for place, call in enumerate(calls)]


# Any: a tokenizer of transformers.
def _response_template(tokenizer: Any) -> bool:
    return bool(getattr(tokenizer, "response_template", None))


def _is_hermes(template: str) -> bool:
    # Qwen 3.5 and others write XML between the same marks
    return "<tool_call>" in template and "</tool_call>" in template and "<function=" not in template


def _names_tools(template: str) -> bool:
    from jinja2 import meta
    from jinja2.exceptions import TemplateError
    from transformers.utils.chat_template_utils import _compile_jinja_template

    try:
        # the template's own extensions (`generation`) are known to the environment of transformers alone
        environment = _compile_jinja_template(template).environment
        return "tools" in meta.find_undeclared_variables(environment.parse(template))
    except TemplateError:
        return False
