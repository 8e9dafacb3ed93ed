rule deduplicate:
    """Leave out repeated rows of a table."""
    input:
        table="<resources>/deduplicate.parquet",
    output:
        table="<results>/deduplicate.parquet",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "deduplicate"),
        dreamsmk_module=smk.module_of(config, "deduplicate"),
    wrapper:
        smk.wrapper()
