rule judge_pairs_with_prompt:
    """Asks a model which of two texts of each row is better."""
    input:
        table="<resources>/judge_pairs_with_prompt.parquet",
    output:
        table="<results>/judge_pairs_with_prompt.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "judge_pairs_with_prompt"),
        dreamsmk_module=smk.module_of(config, "judge_pairs_with_prompt"),
    wrapper:
        smk.wrapper()
