"""How an instruction and its input are put to a model."""


def with_input(row):
    """Returns the row with its input, where it has one, before the instruction."""
    if not row["input"]:
        return {"instruction": row["instruction"], "output": row["output"]}
    return {"instruction": f"Input: {row['input']}\n\n{row['instruction']}", "output": row["output"]}
