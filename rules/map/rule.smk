rule map:
    """Changes the rows of a table by a function of yours."""
    input:
        table="<resources>/map.parquet",
    output:
        table="<results>/map.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "map"),
        dreamsmk_module=smk.module_of(config, "map"),
    wrapper:
        smk.wrapper()
