rule split:
    """Divides a table into train, validation and test."""
    input:
        table="<resources>/split.parquet",
    output:
        train="<results>/split/train.parquet",
        validation="<results>/split/validation.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "split"),
        dreamsmk_module=smk.module_of(config, "split"),
    wrapper:
        smk.wrapper()
