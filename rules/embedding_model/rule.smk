rule embedding_model:
    """Trains an embedding model on triplets, pairs or scores."""
    input:
        train="<resources>/train.parquet",
        validation="<resources>/validation.parquet",
    output:
        model=directory("<results>/embedding-model"),
    threads: smk.threads(workflow)
    resources:
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=8000,
        runtime=480,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "embedding_model"),
        dreamsmk_module=smk.module_of(config, "embedding_model"),
    wrapper:
        smk.wrapper()
