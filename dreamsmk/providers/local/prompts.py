"""Turns the messages of a request into the tokens that a local model reads.

Contract: the tokens are a pure function of the request and the tokenizer. Templates that ask for today's date get the
same day always, because a prompt that changes overnight would stand in no call key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.local.tool_calls import check_tools, tools_of
from dreamsmk.requests import Message, Request

# transformers hands templates a clock and takes no other in its place, so that a macro of the same name goes before
# it. The day is the one that the templates of Llama 3 fall back to themselves where they are told none.
FIXED_DAY = (
    "{%- macro strftime_now(format) -%}{{ format"
    " | replace('%d', '26') | replace('%m', '07') | replace('%b', 'Jul') | replace('%B', 'July')"
    " | replace('%Y', '2024') | replace('%y', '24') | replace('%A', 'Friday') | replace('%a', 'Fri')"
    " | replace('%H', '00') | replace('%M', '00') | replace('%S', '00') }}{%- endmacro -%}"
)


# Any: transformers' tokenizer, and the template's own JSON values.
def prompt_tokens(
    request: Request, tokenizer: Any, *, is_chat: bool, chat_template: str | None, template_values: Mapping[str, Any]
) -> list[int]:
    """Returns the tokens of a request's prompt.

    Args:
        request: The request.
        tokenizer: The model's tokenizer.
        is_chat: Whether messages go through the chat template; else their texts alone are joined by an empty line.
        chat_template: A Jinja template that replaces the tokenizer's own.
        template_values: Further values for the template (`enable_thinking`, …).

    Raises:
        RequestRejected: There is no chat template, or it takes no such messages or no tools.
    """
    if is_chat:
        text = _chat_text(request, tokenizer, chat_template, template_values)
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    else:
        if tools_of(request):
            raise RequestRejected("tools are told to the model by a chat template", hint="ask it with api: chat")
        ids = tokenizer("\n\n".join(message.content for message in request.messages))["input_ids"]
    first = next((i for i in (tokenizer.bos_token_id, tokenizer.eos_token_id) if i is not None), 0)
    return ids or [first]


def _chat_text(request: Request, tokenizer: Any, chat_template: str | None, values: Mapping[str, Any]) -> str:
    from jinja2.exceptions import TemplateError

    if chat_template is None and not tokenizer.chat_template:
        raise RequestRejected(
            f"the tokenizer of {request.model.model!r} has no chat template",
            hint="give the model a chat_template, or `api: completions` if it is a base model",
        )
    tools = tools_of(request)
    # a last message of the assistant is the beginning of the reply, not a turn that is over
    is_begun = request.messages[-1].role == "assistant" and not request.messages[-1].tool_calls
    try:
        template = tokenizer.get_chat_template(chat_template, tools)
        if tools:
            check_tools(request, tokenizer, template)
        text: str = tokenizer.apply_chat_template(
            [_message(message) for message in request.messages],
            chat_template=FIXED_DAY + template if "strftime_now" in template else template,
            tools=tools,
            add_generation_prompt=not is_begun,
            continue_final_message=is_begun,
            tokenize=False,
            **values,
        )
    except (TemplateError, ValueError) as error:
        raise RequestRejected(f"the chat template does not take these messages: {one_line(str(error))}") from error
    return text


# Any: the template's own JSON values.
def _message(message: Message) -> dict[str, Any]:
    """Returns a message in the form that the chat templates of transformers are written for."""
    told: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        told["tool_calls"] = [
            {
                "type": "function",
                "id": call.id,
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        told["tool_call_id"] = message.tool_call_id
    return told


# Any: JSON.
def _arguments(written: str) -> Any:
    # templates write the arguments themselves; what is no JSON is passed on as it stands
    try:
        return json.loads(written)
    except ValueError:
        return written
