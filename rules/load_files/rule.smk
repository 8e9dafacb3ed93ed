rule load_files:
    """Read files of any format into a table."""
    input:
        files="<resources>/load_files",
    output:
        table="<results>/load_files.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "load_files"),
        dreamsmk_module=smk.module_of(config, "load_files"),
    wrapper:
        smk.wrapper()
