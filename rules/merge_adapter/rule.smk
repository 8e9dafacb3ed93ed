rule merge_adapter:
    """Puts an adapter into the weights of its base."""
    output:
        model=directory("<results>/merge_adapter"),
    threads: smk.threads(workflow)
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "merge_adapter"),
        dreamsmk_module=smk.module_of(config, "merge_adapter"),
    wrapper:
        smk.wrapper()
