rule evaluate:
    """Scores what models write, as a table and a plot."""
    input:
        table="<resources>/evaluate.parquet",
    output:
        scores="<results>/evaluate.parquet",
    threads: smk.threads(workflow)
    resources:
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "evaluate"),
        dreamsmk_module=smk.module_of(config, "evaluate"),
    wrapper:
        smk.wrapper()
