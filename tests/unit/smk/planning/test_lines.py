from __future__ import annotations

import pytest

from dreamsmk.smk.planning import Plan
from tests.unit.smk.planning.examples import job_line, model_line


def test_a_job_is_the_sum_of_its_models():
    job = job_line(model_line(), model_line(to_make=1, cost_usd=0.25))
    assert (job.cached, job.to_make, job.cost_usd) == (8, 7, pytest.approx(0.75))


def test_what_one_model_does_not_know_the_job_does_not_know():
    job = job_line(model_line(), model_line(cached=None, cost_usd=None))
    assert (job.cached, job.cost_usd, job.to_make) == (None, None, 12)


def test_totals_say_what_they_leave_out():
    plan = Plan([job_line(model_line()), job_line(model_line(cost_usd=None), is_estimate=True)], prices=None)
    totals = plan.totals()
    assert totals["cost_usd"] == 0.5
    assert totals["unknown"] == {"cost_usd": 1}
    assert totals["is_estimate"] is True
    assert totals["gpu_hours"] is None


def test_a_job_without_models_makes_no_calls():
    job = job_line(action="restore")
    assert (job.to_make, job.cost_usd) == (0, 0)
    assert Plan([job], None).totals()["restored"] == 1
    assert Plan([job], None).to_json()["jobs"][0]["to_make"] == 0
