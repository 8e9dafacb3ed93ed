rule step:
    """Makes anything by a function of yours."""
    output:
        table="<results>/step.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "step"),
        dreamsmk_module=smk.module_of(config, "step"),
    wrapper:
        smk.wrapper()
