rule sample:
    """Draw some rows of a table."""
    input:
        table="<resources>/sample.parquet",
    output:
        table="<results>/sample.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "sample"),
        dreamsmk_module=smk.module_of(config, "sample"),
    wrapper:
        smk.wrapper()
