"""Turns the messages of a request into the tokens that a local model reads.

Contract: the tokens are a pure function of the request and the tokenizer. Templates that ask for today's date get the
same day always, because a prompt that changes overnight would stand in no call key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.http_status import one_line
from dreamsmk.requests import Request

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
        RequestRejected: There is no chat template, or it takes no such messages.
    """
    if is_chat:
        text = _chat_text(request, tokenizer, chat_template, template_values)
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    else:
        ids = tokenizer("\n\n".join(message.content for message in request.messages))["input_ids"]
    first = next((i for i in (tokenizer.bos_token_id, tokenizer.eos_token_id) if i is not None), 0)
    return ids or [first]


def _chat_text(request: Request, tokenizer: Any, chat_template: str | None, values: Mapping[str, Any]) -> str:
    from jinja2.exceptions import TemplateError

    if chat_template is None and not tokenizer.chat_template:
        raise RequestRejected(
            f"the tokenizer of {request.model.model!r} has no chat template",
            hint="give the model a chat_template, or `options: {chat: false}` if it is a base model",
        )
    tools = [dict(tool) for tool in request.tools] or None
    # a last message of the assistant is the beginning of the reply, not a turn that is over
    is_begun = request.messages[-1].role == "assistant"
    try:
        template = tokenizer.get_chat_template(chat_template, tools)
        text: str = tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in request.messages],
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
