rule classify:
    """Gives each row one of some labels, or several."""
    input:
        table="<resources>/classify.parquet",
    output:
        table="<results>/classify.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "classify"),
        dreamsmk_module=smk.module_of(config, "classify"),
    wrapper:
        smk.wrapper()
