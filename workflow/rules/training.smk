# Inputs: the two parts of the tweets, the student. Outputs: the adapter, and what the student writes without and with it.


use rule fine_tune from dream as adapter with:
    input:
        train="results/splits/train.parquet",
        validation="results/splits/validation.parquet",
    output:
        directory("results/adapter"),
    params:
        **config["fine_tune"],
        model="student",
        inputs="abstracts",
        outputs="tweets",


use rule generate_sample from dream as sample with:
    input:
        "results/splits/validation.parquet",
    output:
        "results/sample.parquet",
    params:
        **config["sample"],
        models={"before": "student", "after": "distilled"},
        inputs="abstracts",
        outputs="tweets",
