rule classifier:
    """Trains a classifier of texts, as a LoRA adapter with a head or whole."""
    input:
        train="<resources>/train.parquet",
        validation="<resources>/validation.parquet",
    output:
        model=directory("<results>/classifier"),
    threads: smk.threads(workflow)
    resources:
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=8000,
        runtime=480,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "classifier"),
        dreamsmk_module=smk.module_of(config, "classifier"),
    wrapper:
        smk.wrapper()
