rule chat:
    """Holds a conversation with a model for each row."""
    input:
        table="<resources>/chat.parquet",
    output:
        table="<results>/chat.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "chat"),
        dreamsmk_module=smk.module_of(config, "chat"),
    wrapper:
        smk.wrapper()
