rule load_hub:
    """Load a data set of the Hub into a table."""
    output:
        table="<results>/load_hub.parquet",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "load_hub"),
        dreamsmk_module=smk.module_of(config, "load_hub"),
    wrapper:
        smk.wrapper()
