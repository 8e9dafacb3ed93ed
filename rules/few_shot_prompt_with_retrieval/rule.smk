rule few_shot_prompt_with_retrieval:
    """Shows a model the nearest examples before each row, and makes a column of the replies."""
    input:
        table="<resources>/few_shot_prompt_with_retrieval.parquet",
        index="<resources>/index",
        examples="<resources>/few_shot_prompt_with_retrieval_examples.parquet",
    output:
        table="<results>/few_shot_prompt_with_retrieval.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=8000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "few_shot_prompt_with_retrieval"),
        dreamsmk_module=smk.module_of(config, "few_shot_prompt_with_retrieval"),
    wrapper:
        smk.wrapper()
