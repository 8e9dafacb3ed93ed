rule data_from_attributed_prompt:
    """Asks a model once for each combination of attributes, and makes one row of each reply."""
    output:
        table="<results>/data_from_attributed_prompt.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "data_from_attributed_prompt"),
        dreamsmk_module=smk.module_of(config, "data_from_attributed_prompt"),
    wrapper:
        smk.wrapper()
