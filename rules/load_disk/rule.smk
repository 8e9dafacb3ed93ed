rule load_disk:
    """Read a folder of the datasets package into a table."""
    input:
        folder="<resources>/load_disk",
    output:
        table="<results>/load_disk.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "load_disk"),
        dreamsmk_module=smk.module_of(config, "load_disk"),
    wrapper:
        smk.wrapper()
