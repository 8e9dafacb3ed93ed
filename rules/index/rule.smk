rule index:
    """Makes an index of the vectors of a table's rows."""
    input:
        table="<resources>/index.parquet",
    output:
        index=directory("<results>/index"),
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=8000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "index"),
        dreamsmk_module=smk.module_of(config, "index"),
    wrapper:
        smk.wrapper()
