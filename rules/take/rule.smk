rule take:
    """Keep the first rows of a table."""
    input:
        table="<resources>/take.parquet",
    output:
        table="<results>/take.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "take"),
        dreamsmk_module=smk.module_of(config, "take"),
    wrapper:
        smk.wrapper()
