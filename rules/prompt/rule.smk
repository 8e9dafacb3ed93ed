rule prompt:
    """Puts each row to a model as a prompt of its own, and makes a column of the replies."""
    input:
        table="<resources>/prompt.parquet",
    output:
        table="<results>/prompt.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "prompt"),
        dreamsmk_module=smk.module_of(config, "prompt"),
    wrapper:
        smk.wrapper()
