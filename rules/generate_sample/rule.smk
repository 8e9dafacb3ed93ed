rule generate_sample:
    """Shows what several models write for the same few rows, side by side."""
    input:
        table="<resources>/generate_sample.parquet",
    output:
        table="<results>/generate_sample.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "generate_sample"),
        dreamsmk_module=smk.module_of(config, "generate_sample"),
    wrapper:
        smk.wrapper()
