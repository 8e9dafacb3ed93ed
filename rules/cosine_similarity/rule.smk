rule cosine_similarity:
    """Compares two columns by the cosine of their vectors."""
    input:
        table="<resources>/cosine_similarity.parquet",
    output:
        table="<results>/cosine_similarity.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "cosine_similarity"),
        dreamsmk_module=smk.module_of(config, "cosine_similarity"),
    wrapper:
        smk.wrapper()
