rule sql:
    """Make a table by a SQL query."""
    input:
        table="<resources>/sql.parquet",
    output:
        table="<results>/sql.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "sql"),
        dreamsmk_module=smk.module_of(config, "sql"),
    wrapper:
        smk.wrapper()
