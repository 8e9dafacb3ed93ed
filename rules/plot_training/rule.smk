rule plot_training:
    """Plots how trainings went."""
    input:
        model="<resources>/plot_training",
    output:
        plot="<results>/plot_training.svg",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        dreamsmk=smk.Fingerprint(workflow, config, "plot_training"),
        dreamsmk_module=smk.module_of(config, "plot_training"),
    wrapper:
        smk.wrapper()
