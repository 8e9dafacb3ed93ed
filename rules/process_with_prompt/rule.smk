rule process_with_prompt:
    """Puts every row to a model, with one instruction, and makes a column of the replies."""
    input:
        table="<resources>/process_with_prompt.parquet",
    output:
        table="<results>/process_with_prompt.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "process_with_prompt"),
        dreamsmk_module=smk.module_of(config, "process_with_prompt"),
    wrapper:
        smk.wrapper()
