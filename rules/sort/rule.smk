rule sort:
    """Put a table in order."""
    input:
        table="<resources>/sort.parquet",
    output:
        table="<results>/sort.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "sort"),
        dreamsmk_module=smk.module_of(config, "sort"),
    wrapper:
        smk.wrapper()
