"""Runs every rule of dreamsmk; which one stands in the rule's own parameter."""

from dreamsmk.smk.job import run

run(snakemake)  # noqa: F821 - Snakemake puts it here
