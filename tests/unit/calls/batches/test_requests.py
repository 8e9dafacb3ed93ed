from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.calls.batches.requests import request_of
from dreamsmk.hashing import canonical_bytes
from dreamsmk.requests import Image, Message, ModelIdentity, Request, Sampling, ToolCall

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
words = st.text("abc", min_size=1, max_size=4)
images = st.builds(Image, digest=words, media_type=st.just("image/png"))
tool_calls = st.builds(ToolCall, id=words, name=words, arguments=texts)
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=texts,
    images=st.tuples(images) | st.just(()),
    tool_calls=st.tuples(tool_calls) | st.just(()),
    tool_call_id=st.none() | words,
)
samplings = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 99),
    stop=st.tuples(texts) | st.just(()),
    seed=st.none() | st.integers(0, 99),
    extra=st.dictionaries(words, texts, max_size=2),
)
models = st.builds(
    ModelIdentity, provider=words, model=words, api=st.none() | words, options=st.dictionaries(words, texts, max_size=2)
)
requests = st.builds(
    Request,
    model=models,
    messages=st.lists(messages, max_size=3).map(tuple),
    sampling=samplings,
    sample=st.integers(0, 3),
    tools=st.just(()) | st.just(({"name": "look", "parameters": {"type": "object"}},)),
    tool_choice=st.none() | words,
    schema=st.none() | st.just({"type": "object"}),
    wanted=st.none() | st.just("embedding"),
)


@given(requests)
def test_a_request_read_back_has_the_key_it_had(request):
    read = request_of(canonical_bytes(request.canonical()))
    assert read.key() == request.key()
    assert read.messages == request.messages
    assert read.tools == request.tools


def test_every_field_of_a_request_can_be_read_back():
    # a field that is added to one of these types must be one that `request_of` knows what to do with
    names = {kind.__name__: [f.name for f in dataclasses.fields(kind)] for kind in (Request, Message, Image, ToolCall)}
    assert names == {
        "Request": ["model", "messages", "sampling", "sample", "tools", "tool_choice", "schema", "wanted"],
        "Message": ["role", "content", "images", "tool_calls", "tool_call_id"],
        "Image": ["digest", "media_type", "path"],
        "ToolCall": ["id", "name", "arguments"],
    }
