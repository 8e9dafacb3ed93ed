rule kto:
    """Trains a local model on completions labelled good or bad, as a LoRA adapter or whole."""
    input:
        train="<resources>/train.parquet",
        validation="<resources>/validation.parquet",
    output:
        model=directory("<results>/kto"),
    threads: smk.threads(workflow)
    resources:
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=8000,
        runtime=480,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "kto"),
        dreamsmk_module=smk.module_of(config, "kto"),
    wrapper:
        smk.wrapper()
