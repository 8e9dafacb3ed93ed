# Inputs: the teacher. Outputs: abstracts, tweets about them, and the two parts that the student learns from.


use rule data_from_prompt from dream as abstracts with:
    output:
        "results/abstracts.parquet",
    params:
        **config["abstracts"],
        model="teacher",
        columns={"generations": "abstracts"},


use rule process_with_prompt from dream as tweets with:
    input:
        "results/abstracts.parquet",
    output:
        "results/tweets.parquet",
    params:
        **config["tweets"],
        model="teacher",
        inputs="abstracts",
        columns={"inputs": "abstracts", "generations": "tweets"},


use rule split from dream as splits with:
    input:
        "results/tweets.parquet",
    output:
        train="results/splits/train.parquet",
        validation="results/splits/validation.parquet",
    params:
        **config["splits"],
