from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import pytest
from transformers import AutoTokenizer

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.local.prompts import prompt_tokens
from dreamsmk.providers.local.tool_calls import Said, check_tools, read_calls
from dreamsmk.providers.transformers import TransformersProvider
from dreamsmk.requests import Message, Request, ToolCall
from dreamsmk.settings import ModelSpec
from tests.tiny import CHATML
from tests.wire.asking import ask, make_request

TOOL = {
    "name": "add",
    "description": "Adds.",
    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
}
HERMES = (
    "{% if tools %}{% for t in tools %}{{ t | tojson }}{% endfor %}<tool_call>{}</tool_call>{% endif %}"
    "{% for m in messages %}{{ m['role'] + m['content'] }}{% for c in m.get('tool_calls', []) %}"
    "{{ c.function.name + (c.function.arguments | tojson) }}{% endfor %}{% endfor %}"
)
RESPONSE_TEMPLATE = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "reasoning_content": {"open": "<think>", "close": "</think>", "content": "text"},
        "tool_calls": {
            "open_pattern": r"\s*<tool_call>",
            "close": "</tool_call>",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": r"\s*<\|im_end\|>", "content": "text"},
    },
}
PLAIN = SimpleNamespace(response_template=None)


@pytest.fixture
def request_with_tools(spec: ModelSpec) -> Request:
    return make_request(spec, "Add.", tools=(TOOL,), max_tokens=4)


def read(text: str, request: Request) -> Said:
    return read_calls(text, [], request, PLAIN, list)


def test_calls_between_marks_are_told_apart_from_the_text(request_with_tools: Request) -> None:
    first, second = '{"name": "add", "arguments": {"a": 1}}', '{"name": "stop"}'
    text = f"Well.\n<tool_call>\n{first}\n</tool_call>\n<tool_call>{second}</tool_call>"
    said = read(text, request_with_tools)
    assert said.text == "Well."
    assert said.calls == (ToolCall("call_0", "add", '{"a": 1}'), ToolCall("call_1", "stop", "{}"))


@pytest.mark.parametrize(
    "text", ["<tool_call>{broken}</tool_call>", "<tool_call>[1]</tool_call>", "<tool_call>{}", "no"]
)
def test_what_cannot_be_read_stays_in_the_text(text: str, request_with_tools: Request) -> None:
    assert read(text, request_with_tools) == Said(text)


def test_without_tools_nothing_is_read(request_with_tools: Request) -> None:
    text = '<tool_call>{"name": "add"}</tool_call>'
    assert read(text, dataclasses.replace(request_with_tools, tools=())) == Said(text)
    assert read(text, dataclasses.replace(request_with_tools, tool_choice="none")) == Said(text)


def test_a_response_template_of_the_tokenizer_comes_first(spec: ModelSpec, request_with_tools: Request) -> None:
    tokenizer = AutoTokenizer.from_pretrained(spec.model)
    tokenizer.response_template = RESPONSE_TEMPLATE
    text = '<think>hm</think>Sure.\n<tool_call>\n{"name": "add", "arguments": {"a": 2}}\n</tool_call>'
    prompt = tokenizer.encode("<|im_start|>assistant\n")
    said = read_calls(text, tokenizer.encode(text), request_with_tools, tokenizer, lambda: prompt)
    assert said.text.strip() == "Sure."
    assert said.reasoning == "hm"
    (call,) = said.calls
    assert (call.name, json.loads(call.arguments)) == ("add", {"a": 2})


def test_tools_and_calls_reach_the_template(spec: ModelSpec, request_with_tools: Request) -> None:
    tokenizer = AutoTokenizer.from_pretrained(spec.model)
    turn = (
        Message("assistant", "", tool_calls=(ToolCall("call_0", "add", '{"a": 1}'),)),
        Message("tool", "2", tool_call_id="call_0"),
    )
    request = dataclasses.replace(request_with_tools, messages=(*request_with_tools.messages, *turn))
    tokens = prompt_tokens(request, tokenizer, is_chat=True, chat_template=HERMES, template_values={})
    text = tokenizer.decode(tokens)
    assert '"function": {"name": "add", "description": "Adds."' in text
    assert text.endswith('add{"a": 1}tool2')


def test_a_request_with_tools_is_answered(spec: ModelSpec, request_with_tools: Request) -> None:
    (reply,) = ask(TransformersProvider(dataclasses.replace(spec, chat_template=HERMES)), request_with_tools)
    assert reply.tool_calls == ()
    assert reply.finish_reason == "length"


def test_a_model_that_was_not_made_for_tools_is_not_shown_any(spec: ModelSpec, request_with_tools: Request) -> None:
    with pytest.raises(RequestRejected, match="takes no tools"):
        ask(TransformersProvider(spec), request_with_tools)
    assert ask(TransformersProvider(spec), dataclasses.replace(request_with_tools, tool_choice="none"))
    with pytest.raises(RequestRejected, match="neither tokenizer nor chat template"):
        check_tools(request_with_tools, PLAIN, "{{ tools }}" + CHATML)
    with pytest.raises(RequestRejected, match="tool_choice 'required'"):
        check_tools(dataclasses.replace(request_with_tools, tool_choice="required"), PLAIN, HERMES)
    with pytest.raises(RequestRejected, match="api: chat"):
        ask(TransformersProvider(dataclasses.replace(spec, api="completions")), request_with_tools)
