rule extract:
    """Reads fields out of the text of each row, and makes columns of them."""
    input:
        table="<resources>/extract.parquet",
    output:
        table="<results>/extract.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "extract"),
        dreamsmk_module=smk.module_of(config, "extract"),
    wrapper:
        smk.wrapper()
