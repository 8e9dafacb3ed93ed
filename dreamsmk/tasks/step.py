"""A rule that a user writes as one function (`step`): inputs, values and models in, tables or files out.

    def titles(step):
        papers = step.table("papers")
        return papers.with_columns(title=pl.Series(step.ask(papers["abstract"], system="Give a title.")))

Contract: the function sees only what is in the fingerprint: its inputs and outputs by name, its values, and models by
the names that the rule gives them, never by their aliases. What it makes takes the outputs' place only when all of them
are there. What goes wrong in it is said with the line of the user's code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import DreamsmkError, SettingsError, TableError, nearest
from dreamsmk.requests import Failure, Message, Response
from dreamsmk.tables import read_table, row_count, scan_table, write_table
from dreamsmk.tasks.context import Asked, Context, Model
from dreamsmk.tasks.functions import failure_of, load_function

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

# A user message, or the messages of a conversation: ours, or as {"role": …, "content": …}.
Prompt = str | Sequence[Message | Mapping[str, str]]

# What stands for the model of a rule that names only one.
ONLY = "the model"


class Step:
    """What a function of the user's gets.

    Args:
        context: The task's.

    Attributes:
        args: The values under `params.args`.
        threads: How many CPU threads the function may use.
        scratch: A folder that outlives a killed job, for what is slow to make again.
        facts: JSON facts for the record of what was made, such as `licenses`.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.args: Mapping[str, Any] = context.params["args"]  # Any: JSON
        self.threads = context.threads
        self.scratch = context.scratch
        self.facts = context.facts
        named = context.params["models"]
        self._aliases: dict[str, str] = {ONLY: named} if isinstance(named, str) else dict(named)

    def table(self, name: str = "table", columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Returns an input as a table, or some columns of it."""
        return read_table(self.path(name), columns)

    def scan(self, name: str = "table") -> pl.LazyFrame:
        """Returns an input as a table that is read as far as it is needed: for what is larger than memory."""
        return scan_table(self.path(name))

    def path(self, name: str = "table") -> Path:
        """Returns the path of an input, the first one where there are several."""
        return self.paths(name)[0]

    def paths(self, name: str = "table") -> list[Path]:
        """Returns the paths of an input that is several files."""
        return [*_named(self._context.inputs, name, "input")]

    def output(self, name: str = "table") -> Path:
        """Returns where to write an output that the function does not return; a folder is to be made first."""
        path: Path = _named(self._context.outputs, name, "output")
        return path

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs."""
        return list(self._context.outputs)

    def model(self, name: str | None = None) -> Model:
        """Returns a model by its name under `params.models`; the only one without a name.

        It makes requests and answers them: `for outcome in model.outcomes(model.requests(prompts))`.
        """
        if name is None and len(self._aliases) == 1:
            name = next(iter(self._aliases))
        if name is None:
            what = (
                "the function asks a model, and the rule names none" if not self._aliases else "which model is asked?"
            )
            hint = "give params: models=…" if not self._aliases else f"one of {', '.join(self._aliases)}"
            raise SettingsError(what, where="params.models", hint=hint)
        return self._context.model(_named(self._aliases, name, "model"))

    # Any: JSON Schemas of tools, and sampling values.
    def replies(
        self,
        prompts: Iterable[Prompt],
        *,
        model: str | None = None,
        max_failures: float = 0,
        **asked: Any,
    ) -> Iterator[Response | Failure]:
        """Yields one reply a prompt, in order, each paid for once.

        Args:
            prompts: User messages, or conversations.
            model: Which model, where the rule names several.
            max_failures: How many prompts may fail: a number, or below 1 a share of them. Those yield a `Failure`.
            asked: `system`, `samples`, `tools`, `tool_choice`, `schema`, `wanted`, and sampling values such as
                `temperature`.

        Raises:
            ProviderError: More prompts failed; after all the others were answered and kept.
        """
        chosen, conversations = self.model(model), [_conversation(prompt) for prompt in prompts]
        requests = chosen.requests(conversations, **asked)
        yield from chosen.outcomes(requests, total=len(conversations), max_failures=max_failures)

    # Any: as above.
    def ask(self, prompts: Iterable[Prompt], **asked: Any) -> list[str | None]:
        """Returns one text a prompt, None for those that failed and may; see `replies`."""
        return [reply.text if isinstance(reply, Response) else None for reply in self.replies(prompts, **asked)]

    # Any: as above, and JSON.
    def extract(
        self,
        prompts: Iterable[str],
        schema: Mapping[str, Any],
        *,
        model: str | None = None,
        repairs: int = 1,
        max_failures: float = 0,
        **asked: Any,
    ) -> list[dict[str, Any] | None]:
        """Returns one object a prompt that follows a JSON Schema, None for those that failed and may.

        Args:
            prompts: User messages.
            schema: A JSON Schema of an object with properties.
            model: Which model, where the rule names several.
            repairs: How often a reply that does not follow the schema is shown its fault and asked for again.
            max_failures: As for `replies`.
            asked: `system`, `samples`, and sampling values.
        """
        from dreamsmk.tasks.prompting.asking import ask
        from dreamsmk.tasks.prompting.reply_schema import ReplySchema

        follows = ReplySchema.of(schema, where="schema")
        # as the parameters of a prompting rule: those of its groups `failures` and `schema`
        params = {"system_prompt": asked.pop("system", None), "max_failures": max_failures, "fail_on": []}
        params |= {"repairs": repairs, "schema": schema}
        found: Asked = ask(self.model(model), params, list(prompts), schema=follows, **asked)
        return [follows.cells(reply.text) if isinstance(reply, Response) else None for reply in found.outcomes()]

    def embed(self, texts: Iterable[str], *, model: str | None = None) -> list[NDArray[np.float32]]:
        """Returns the vector of each text."""
        replies = self.replies(texts, model=model, wanted="embedding")
        return [reply.vector() for reply in replies if isinstance(reply, Response)]

    def progress(self, done: int, total: int | None = None, **facts: str | int | float) -> None:
        """Says how far the function is."""
        self._context.progress.update(done, total, **facts)

    def note(self, text: str) -> None:
        """Says one line, which goes to the terminal and into the log."""
        self._context.progress.note(text)


def run_step(context: Context) -> None:
    """Calls the user's function and writes what it returns."""
    reference, base = context.params["function"], Path.cwd()
    function = load_function(reference, base)
    try:
        returned = function(Step(context))
        _write(context, reference, returned)
    except DreamsmkError as exc:
        place, _ = failure_of(exc, base)
        exc.where = exc.where or place or reference
        raise
    except Exception as exc:  # user code may raise anything; translated here, once
        place, reason = failure_of(exc, base)
        raise TableError(f"{reference} failed: {reason}", where=place or reference) from exc


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns nothing: what a function makes is known when it has made it."""
    return {}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns nothing, as `columns` does."""
    return {}


# Any: what the user's function returned.
def _write(context: Context, reference: str, returned: Any) -> None:
    """Writes the tables that a function returned, and checks that all other outputs are there.

    Raises:
        TableError: It returned what is no table, or an output is missing.
    """
    made = _by_output(context, reference, returned)
    for name, value in made.items():
        write_table(_frame(value, f"{reference}, output {name!r}"), _named(context.outputs, name, "output"))
    for name, path in context.outputs.items():
        if not path.exists():
            hint = f"return it, or write it to step.output({name!r})"
            raise TableError(f"the function made no {name!r}", where=reference, hint=hint)
    rows = [row_count(context.outputs[name]) for name in made]
    if rows:
        context.facts.setdefault("rows", sum(rows))


# Any: as above.
def _by_output(context: Context, reference: str, returned: Any) -> dict[str, Any]:
    if returned is None:
        return {}
    if isinstance(returned, Mapping):
        return {str(name): value for name, value in returned.items() if value is not None}
    if len(context.outputs) > 1:
        raise TableError(
            f"the function returned {_kind(returned)}, and the rule has {len(context.outputs)} outputs",
            where=reference,
            hint=f"return them by name: {{{', '.join(f'{name!r}: …' for name in context.outputs)}}}",
        )
    return {next(iter(context.outputs)): returned}


# Any: as above.
def _frame(value: Any, where: str) -> pl.DataFrame | pl.LazyFrame:
    import polars as pl

    if isinstance(value, (pl.DataFrame, pl.LazyFrame)):
        return value
    is_rows = isinstance(value, list) and all(isinstance(row, Mapping) for row in value)
    if is_rows and value:
        return pl.DataFrame(value, infer_schema_length=None)
    if hasattr(value, "__arrow_c_stream__"):  # tables of pandas, pyarrow and datasets
        return pl.DataFrame(value)
    hint = "return a polars DataFrame or LazyFrame, or a list of dictionaries with at least one row"
    raise TableError(f"the function returned {_kind(value)}, which is no table", where=where, hint=hint)


def _conversation(prompt: Prompt) -> str | tuple[Message, ...]:
    if isinstance(prompt, str):
        return prompt
    return tuple(message if isinstance(message, Message) else Message(**message) for message in prompt)  # type: ignore[arg-type]  # the role of a dictionary is a text


# Any: a path or several, or an alias.
def _named(known: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in known:
        raise SettingsError(f"the rule has no {what} {name!r}", hint=nearest(name, known) if known else "")
    return known[name]


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"
