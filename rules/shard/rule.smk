rule shard:
    """Take one piece of a table."""
    input:
        table="<resources>/shard.parquet",
    output:
        table="<results>/shard.parquet",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "shard"),
        dreamsmk_module=smk.module_of(config, "shard"),
    wrapper:
        smk.wrapper()
