rule best_of_n:
    """Keeps the best of several replies to each row."""
    input:
        table="<resources>/best_of_n.parquet",
    output:
        table="<results>/best_of_n.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "best_of_n"),
        dreamsmk_module=smk.module_of(config, "best_of_n"),
    wrapper:
        smk.wrapper()
