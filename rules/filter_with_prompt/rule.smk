rule filter_with_prompt:
    """Keeps the rows of which a model says yes."""
    input:
        table="<resources>/filter_with_prompt.parquet",
    output:
        table="<results>/filter_with_prompt.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "filter_with_prompt"),
        dreamsmk_module=smk.module_of(config, "filter_with_prompt"),
    wrapper:
        smk.wrapper()
