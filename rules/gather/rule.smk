rule gather:
    """Put the pieces of a table together."""
    input:
        table="<resources>/gather.parquet",
    output:
        table="<results>/gather.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "gather"),
        dreamsmk_module=smk.module_of(config, "gather"),
    wrapper:
        smk.wrapper()
