rule join:
    """Join two tables by the columns that they share."""
    input:
        table="<resources>/join.parquet",
        other="<resources>/join_other.parquet",
    output:
        table="<results>/join.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "join"),
        dreamsmk_module=smk.module_of(config, "join"),
    wrapper:
        smk.wrapper()
