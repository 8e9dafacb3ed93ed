rule decontaminate:
    """Leave out rows that share text with an evaluation set."""
    input:
        table="<resources>/decontaminate.parquet",
        evaluation="<resources>/decontaminate_evaluation.parquet",
    output:
        table="<results>/decontaminate.parquet",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "decontaminate"),
        dreamsmk_module=smk.module_of(config, "decontaminate"),
    wrapper:
        smk.wrapper()
