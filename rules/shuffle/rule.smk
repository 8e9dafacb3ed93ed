rule shuffle:
    """Put the rows of a table in a random order."""
    input:
        table="<resources>/shuffle.parquet",
    output:
        table="<results>/shuffle.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "shuffle"),
        dreamsmk_module=smk.module_of(config, "shuffle"),
    wrapper:
        smk.wrapper()
