rule fine_tune:
    """Fine-tunes a local model on the rows of a table, as a LoRA adapter or whole."""
    input:
        train="<resources>/train.parquet",
        validation="<resources>/validation.parquet",
    output:
        model=directory("<results>/fine_tune"),
    threads: smk.threads(workflow)
    resources:
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=8000,
        runtime=480,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "fine_tune"),
        dreamsmk_module=smk.module_of(config, "fine_tune"),
    wrapper:
        smk.wrapper()
