rule retrieve:
    """Finds the rows that are nearest to each query."""
    input:
        table="<resources>/retrieve.parquet",
        index="<resources>/index",
        corpus="<resources>/retrieve_corpus.parquet",
    output:
        table="<results>/retrieve.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=8000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "retrieve"),
        dreamsmk_module=smk.module_of(config, "retrieve"),
    wrapper:
        smk.wrapper()
