rule card:
    """Writes the card of a table or a model, traced to its sources."""
    input:
        target="<results>/card/target.parquet",
    output:
        json="<results>/card.json",
        markdown="<results>/card.md",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "card"),
        dreamsmk_module=smk.module_of(config, "card"),
    wrapper:
        smk.wrapper()
