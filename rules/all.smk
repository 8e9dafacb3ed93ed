# The dispatcher that a `module` statement imports. It includes only the rules that were asked for: reading stays fast,
# and `use rule X from M as y` would else give the alias to every rule of the module (Snakemake 9.27, modules.py).
from dreamsmk import smk

smk.install(workflow)

for name in smk.wanted_rules(workflow):

    include: f"{name}/rule.smk"

    smk.complete(workflow, name)
