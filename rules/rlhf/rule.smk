rule rlhf:
    """Trains a local model by the rewards of what it writes, as a LoRA adapter or whole."""
    input:
        train="<resources>/train.parquet",
        validation="<resources>/validation.parquet",
    output:
        model=directory("<results>/rlhf"),
    threads: smk.threads(workflow)
    resources:
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=8000,
        runtime=480,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "rlhf"),
        dreamsmk_module=smk.module_of(config, "rlhf"),
    wrapper:
        smk.wrapper()
