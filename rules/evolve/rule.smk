rule evolve:
    """Makes instructions harder or stranger, round by round."""
    input:
        table="<resources>/evolve.parquet",
    output:
        table="<results>/evolve.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "evolve"),
        dreamsmk_module=smk.module_of(config, "evolve"),
    wrapper:
        smk.wrapper()
