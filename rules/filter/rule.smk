rule filter:
    """Keep the rows of a table that meet a condition."""
    input:
        table="<resources>/filter.parquet",
    output:
        table="<results>/filter.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "filter"),
        dreamsmk_module=smk.module_of(config, "filter"),
    wrapper:
        smk.wrapper()
