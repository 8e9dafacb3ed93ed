rule openai_fine_tune:
    """Fine-tunes a model of OpenAI's on the rows of a table, at the service."""
    input:
        train="<resources>/train.parquet",
        validation="<resources>/validation.parquet",
    output:
        model="<results>/openai_fine_tune.json",
    threads: 1
    resources:
        api=smk.api(workflow),
        mem_mb=2000,
        runtime=1440,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "openai_fine_tune"),
        dreamsmk_module=smk.module_of(config, "openai_fine_tune"),
    wrapper:
        smk.wrapper()
