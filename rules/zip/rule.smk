rule zip:
    """Put tables side by side."""
    input:
        table="<resources>/zip.parquet",
    output:
        table="<results>/zip.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "zip"),
        dreamsmk_module=smk.module_of(config, "zip"),
    wrapper:
        smk.wrapper()
