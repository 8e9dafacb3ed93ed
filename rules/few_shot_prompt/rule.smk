rule few_shot_prompt:
    """Shows a model examples before each row, and makes a column of the replies."""
    input:
        table="<resources>/few_shot_prompt.parquet",
        examples="<resources>/few_shot_examples.parquet",
    output:
        table="<results>/few_shot_prompt.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "few_shot_prompt"),
        dreamsmk_module=smk.module_of(config, "few_shot_prompt"),
    wrapper:
        smk.wrapper()
