# Inputs: none. Outputs: the language model that writes and that is distilled into, as an ordinary folder.


use rule gguf_model from dream as smollm2 with:
    output:
        directory("resources/smollm2-135m-instruct"),
    params:
        **config["embedded_model"],
