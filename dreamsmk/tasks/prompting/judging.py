"""Which replies a row can use: why one ended, whether it follows the schema, and how the model is told if it does not.

Contract: a reply that was cut off, held back or refused is never shown its fault: it would come to the same again. A
repair is a call like others, with a key of its own, so that it is paid once too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from dreamsmk.requests import Failure, FailureKind, Judge, Message, Request, Response
from dreamsmk.tasks.prompting.reply_schema import ReplySchema

REPAIR = "This does not follow the JSON Schema: {fault}\nAnswer again, with JSON only."
_WORDS: Mapping[FailureKind, str] = {
    "length": "the reply was cut off",
    "content_filter": "the reply was held back by a filter",
    "refusal": "the model refused",
    "empty": "the reply is empty",
}
# What another attempt would end in again.
_FINAL = ("length", "content_filter", "refusal")


# Any: JSON.
def judge_of(params: Mapping[str, Any], schema: ReplySchema | None) -> Judge | None:
    """Returns what looks at each reply; None where every reply will do."""
    fail_on, repairs = frozenset(params["fail_on"]), params["repairs"]
    if not fail_on and schema is None:
        return None

    def judge(request: Request, response: Response, earlier: int) -> Request | Failure | None:
        lack = lack_of(response)
        if lack is not None and lack in fail_on:
            return failure_by(lack, response)
        fault = None if schema is None else schema.fault(response.text)
        if fault is None:
            return None
        if lack is not None and lack in _FINAL:
            return failure_by(lack, response, fault)
        return repaired(request, response, fault) if earlier < repairs else Failure("schema", fault, response=response)

    return judge


def lack_of(response: Response) -> FailureKind | None:
    """Returns in which way a reply is less than one; None where it is whole."""
    if response.refusal is not None or response.finish_reason == "refusal":
        return "refusal"
    if response.finish_reason == "content_filter":
        return "content_filter"
    if response.finish_reason == "length":
        return "length"
    is_empty = not response.text.strip() and not response.tool_calls
    return "empty" if is_empty and response.embedding is None and response.labels is None else None


def repaired(request: Request, response: Response, fault: str) -> Request:
    """Returns the request that shows a model its reply and how it does not follow the schema."""
    return asked_again(request, response, REPAIR.format(fault=fault))


def asked_again(request: Request, response: Response, complaint: str) -> Request:
    """Returns the request that shows a model its reply and a complaint about it."""
    last = request.messages[-1]
    if not response.text.strip() and last.role == "user":
        # no service takes an empty message, and some models want question and answer in turn
        whole = dataclasses.replace(last, content=f"{last.content}\n\n{complaint}")
        return dataclasses.replace(request, messages=(*request.messages[:-1], whole))
    more = (Message("assistant", response.text), Message("user", complaint))
    return dataclasses.replace(request, messages=request.messages + more)


def failure_by(kind: FailureKind, response: Response, fault: str = "") -> Failure:
    """Returns the failure of a row by what its reply lacks, and by what is wrong with it besides."""
    words = [_WORDS[kind]]
    if kind == "refusal" and response.refusal:
        words.append(response.refusal)
    return Failure(kind, ": ".join([*words, *([fault] if fault else [])]), response=response)
