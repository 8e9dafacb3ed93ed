# Inputs: the teacher. Outputs: abstracts, tweets about them, and the two parts that the student learns from.


use rule data_from_prompt from dream as abstracts with:
    output:
        "results/abstracts.parquet",
    params:
        model="teacher",
        n=config["abstracts"]["n"],
        instruction=config["abstracts"]["instruction"],
        temperature=config["abstracts"]["temperature"],
        max_tokens=config["abstracts"]["max_tokens"],
        columns={"generations": "abstracts"},


use rule process_with_prompt from dream as tweets with:
    input:
        "results/abstracts.parquet",
    output:
        "results/tweets.parquet",
    params:
        model="teacher",
        inputs="abstracts",
        instruction=config["tweets"]["instruction"],
        max_tokens=config["tweets"]["max_tokens"],
        columns={"inputs": "abstracts", "generations": "tweets"},


use rule split from dream as splits with:
    input:
        "results/tweets.parquet",
    output:
        train="results/splits/train.parquet",
        validation="results/splits/validation.parquet",
    params:
        train=config["splits"]["train"],
        validation=config["splits"]["validation"],
