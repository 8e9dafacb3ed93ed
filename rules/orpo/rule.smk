rule orpo:
    """Trains a local model on pairs of completions without a reference, as a LoRA adapter or whole."""
    input:
        train="<resources>/train.parquet",
        validation="<resources>/validation.parquet",
    output:
        model=directory("<results>/orpo"),
    threads: smk.threads(workflow)
    resources:
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=8000,
        runtime=480,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "orpo"),
        dreamsmk_module=smk.module_of(config, "orpo"),
    wrapper:
        smk.wrapper()
