rule rank_with_prompt:
    """Scores each row by a model's word, and sorts by the scores."""
    input:
        table="<resources>/rank_with_prompt.parquet",
    output:
        table="<results>/rank_with_prompt.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "rank_with_prompt"),
        dreamsmk_module=smk.module_of(config, "rank_with_prompt"),
    wrapper:
        smk.wrapper()
