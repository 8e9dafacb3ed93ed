rule reward_model:
    """Trains a reward model on pairs or on scores, as a LoRA adapter or whole."""
    input:
        train="<resources>/train.parquet",
        validation="<resources>/validation.parquet",
    output:
        model=directory("<results>/reward_model"),
    threads: smk.threads(workflow)
    resources:
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=8000,
        runtime=480,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "reward_model"),
        dreamsmk_module=smk.module_of(config, "reward_model"),
    wrapper:
        smk.wrapper()
