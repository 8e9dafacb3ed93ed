"""What running a model in this process takes: loading, prompts, batches, sampling, the end of a reply."""
