rule rate:
    """Rates each row on a scale of whole numbers, by a rubric."""
    input:
        table="<resources>/rate.parquet",
    output:
        table="<results>/rate.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "rate"),
        dreamsmk_module=smk.module_of(config, "rate"),
    wrapper:
        smk.wrapper()
