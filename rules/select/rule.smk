rule select:
    """Keep some columns of a table."""
    input:
        table="<resources>/select.parquet",
    output:
        table="<results>/select.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "select"),
        dreamsmk_module=smk.module_of(config, "select"),
    wrapper:
        smk.wrapper()
