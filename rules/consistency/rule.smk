rule consistency:
    """Takes the answer that most of several replies agree on."""
    input:
        table="<resources>/consistency.parquet",
    output:
        table="<results>/consistency.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "consistency"),
        dreamsmk_module=smk.module_of(config, "consistency"),
    wrapper:
        smk.wrapper()
