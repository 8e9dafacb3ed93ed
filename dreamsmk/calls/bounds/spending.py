"""The money and tokens of one model's calls, held against the budgets that apply to them."""

from __future__ import annotations

from collections.abc import Sequence

from dreamsmk.calls.bounds.budget import Amount, Purse
from dreamsmk.calls.bounds.estimates import Estimates
from dreamsmk.calls.bounds.prices import cost_of
from dreamsmk.errors import BudgetSpent, SettingsError
from dreamsmk.providers.registry import provider_class
from dreamsmk.requests import Request, Response, Usage
from dreamsmk.settings import ModelSpec


class Spending:
    """Reserves what calls may cost before they are sent.

    Args:
        spec: The model that is called.
        purses: The budgets; a call must fit into all of them.
    """

    def __init__(self, spec: ModelSpec, purses: Sequence[Purse]) -> None:
        self._spec = spec
        self._purses = tuple(purses)
        self._estimates = Estimates(provider_class(spec.provider).capabilities.default_max_tokens)
        self._is_priced = any(purse.budget.usd is not None for purse in purses)

    def check(self) -> None:
        """Raises `SettingsError` where a budget in money cannot be held, because nobody knows the price."""
        if self._is_priced and cost_of(self._spec, Usage(1, 0, 1, 0)).usd is None:
            raise SettingsError(
                f"there is a budget in usd, and no price is known of the model {self._spec.model!r}",
                hint="give `prices:` in the model spec, or a budget in tokens",
            )

    def reserve(self, requests: Sequence[Request]) -> Amount | None:
        """Returns what is reserved for requests; None where they might pass a budget."""
        amount = self._amount(*self._estimates.most(requests))
        for position, purse in enumerate(self._purses):
            if not purse.reserve(amount):
                for before in self._purses[:position]:
                    before.settle(amount, Amount())
                return None
        return amount

    def settle(self, reserved: Amount, responses: Sequence[Response]) -> None:
        """Puts what replies really cost in the place of what was reserved; a call without a reply costs nothing."""
        spent = Amount()
        for reply in responses:
            self._estimates.note(reply)
            usage = reply.usage
            spent = spent.plus(self._amount(usage.input_tokens, usage.output_tokens, usage.cached_input_tokens))
        for purse in self._purses:
            purse.settle(reserved, spent)

    def error(self, requests: Sequence[Request]) -> BudgetSpent:
        """Returns what to say when the next calls might pass a budget."""
        amount = self._amount(*self._estimates.most(requests))
        for purse in self._purses:
            total = purse.total()
            if not purse.budget.allows(total.plus(amount)):
                return _error(purse, total, amount)
        return _error(self._purses[0], self._purses[0].total(), amount)

    def _amount(self, input_tokens: int, output_tokens: int, cached_input_tokens: int = 0) -> Amount:
        usd = 0.0
        if self._is_priced:
            usage = Usage(input_tokens, cached_input_tokens, output_tokens)
            usd = cost_of(self._spec, usage).usd or 0.0
        return Amount(usd, float(input_tokens + output_tokens))


def _error(purse: Purse, total: Amount, amount: Amount) -> BudgetSpent:
    budget = purse.budget
    if budget.usd is not None and total.usd + amount.usd > budget.usd:
        name, told = "usd", f"{total.usd:.6g} of {budget.usd:.6g} usd, and the next call may cost {amount.usd:.3g}"
    else:
        name, limit = "tokens", budget.tokens or 0
        told = f"{total.tokens:,.0f} of {limit:,.0f} tokens, and the next call may take {amount.tokens:,.0f}"
    whose = "budget" if purse.scope == "workflow" else "the rule's budget"
    return BudgetSpent(
        f"the budget of the {purse.scope} is spent: {told}",
        hint=f"raise {whose}.{name}: the next run asks only for what is missing",
    )
