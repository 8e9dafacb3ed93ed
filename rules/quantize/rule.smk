rule quantize:
    """Stores the weights of a model in fewer bits."""
    output:
        model=directory("<results>/quantize"),
    threads: smk.threads(workflow)
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "quantize"),
        dreamsmk_module=smk.module_of(config, "quantize"),
    wrapper:
        smk.wrapper()
