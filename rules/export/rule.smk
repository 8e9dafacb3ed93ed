rule export:
    """Write a table for other tools."""
    input:
        table="<resources>/export.parquet",
    output:
        file="<results>/export.jsonl",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "export"),
        dreamsmk_module=smk.module_of(config, "export"),
    wrapper:
        smk.wrapper()
