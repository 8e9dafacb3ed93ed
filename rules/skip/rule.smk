rule skip:
    """Leave out the first rows of a table."""
    input:
        table="<resources>/skip.parquet",
    output:
        table="<results>/skip.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "skip"),
        dreamsmk_module=smk.module_of(config, "skip"),
    wrapper:
        smk.wrapper()
