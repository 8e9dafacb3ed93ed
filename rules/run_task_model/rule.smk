rule run_task_model:
    """Lets a classifier score the labels of every text."""
    input:
        table="<resources>/run_task_model.parquet",
    output:
        table="<results>/run_task_model.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "run_task_model"),
        dreamsmk_module=smk.module_of(config, "run_task_model"),
    wrapper:
        smk.wrapper()
