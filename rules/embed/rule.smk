rule embed:
    """Gives every text of a column its vector."""
    input:
        table="<resources>/embed.parquet",
    output:
        table="<results>/embed.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "embed"),
        dreamsmk_module=smk.module_of(config, "embed"),
    wrapper:
        smk.wrapper()
