rule download_model:
    """Download a model of the Hub."""
    output:
        model=directory("<resources>/download_model"),
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "download_model"),
        dreamsmk_module=smk.module_of(config, "download_model"),
    wrapper:
        smk.wrapper()
