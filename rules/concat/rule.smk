rule concat:
    """Put tables one after the other."""
    input:
        table="<resources>/concat.parquet",
    output:
        table="<results>/concat.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "concat"),
        dreamsmk_module=smk.module_of(config, "concat"),
    wrapper:
        smk.wrapper()
