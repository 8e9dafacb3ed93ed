rule distill:
    """Distils a local teacher into a student, as a LoRA adapter or whole."""
    input:
        train="<resources>/train.parquet",
        validation="<resources>/validation.parquet",
    output:
        model=directory("<results>/distill"),
    threads: smk.threads(workflow)
    resources:
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=12000,
        runtime=480,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "distill"),
        dreamsmk_module=smk.module_of(config, "distill"),
    wrapper:
        smk.wrapper()
