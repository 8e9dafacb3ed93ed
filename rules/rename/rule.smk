rule rename:
    """Give columns of a table other names."""
    input:
        table="<resources>/rename.parquet",
    output:
        table="<results>/rename.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "rename"),
        dreamsmk_module=smk.module_of(config, "rename"),
    wrapper:
        smk.wrapper()
