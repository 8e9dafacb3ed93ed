rule self_instruct:
    """Writes new instructions from a few seeds."""
    input:
        table="<resources>/self_instruct.parquet",
    output:
        table="<results>/self_instruct.parquet",
    threads: smk.threads(workflow)
    resources:
        api=smk.api(workflow),
        gpu=smk.gpu(workflow),
        gpu_manufacturer=smk.gpu_manufacturer(workflow),
        mem_mb=4000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "self_instruct"),
        dreamsmk_module=smk.module_of(config, "self_instruct"),
    wrapper:
        smk.wrapper()
