# The dispatcher that a `module` statement imports. It includes only the rules that were asked for: reading stays fast,
# and `use rule X from M as y` would else give the alias to every rule of the module (Snakemake 9.27, modules.py).
from dreamsmk import smk

smk.install(workflow)

for name in smk.rule_names():
    if (
        workflow.modifier.rule_whitelist is None
        or name in workflow.modifier.rule_whitelist
    ):

        include: f"{name}/rule.smk"

        smk.complete(workflow, name)
