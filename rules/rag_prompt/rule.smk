rule rag_prompt:
    """Shows a model the nearest documents before each row, and makes a column of the replies."""
    input:
        table="<resources>/rag_prompt.parquet",
        index="<resources>/index",
        corpus="<resources>/rag_prompt_corpus.parquet",
    output:
        table="<results>/rag_prompt.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=8000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "rag_prompt"),
        dreamsmk_module=smk.module_of(config, "rag_prompt"),
    wrapper:
        smk.wrapper()
