rule setfit:
    """Trains a classifier of texts on a few rows, with SetFit."""
    input:
        train="<resources>/train.parquet",
        validation="<resources>/validation.parquet",
    output:
        model=directory("<results>/setfit"),
    threads: smk.threads(workflow)
    resources:
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=8000,
        runtime=480,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "setfit"),
        dreamsmk_module=smk.module_of(config, "setfit"),
    wrapper:
        smk.wrapper()
