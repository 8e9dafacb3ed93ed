# Inputs: the tweets, the adapter and its sample. Outputs: the synthetic data card and the synthetic model card.


use rule card from dream as data_card with:
    input:
        "results/tweets.parquet",
    output:
        json="results/cards/tweets.json",
        markdown="results/cards/tweets.md",
    params:
        **config["cards"],
        title="Tweets about synthetic NLP abstracts",


use rule card from dream as model_card with:
    input:
        target="results/adapter",
        sample="results/sample.parquet",
    output:
        json="results/cards/adapter.json",
        markdown="results/cards/adapter.md",
    params:
        **config["cards"],
        title="From an abstract to a tweet, in 135 million parameters",
