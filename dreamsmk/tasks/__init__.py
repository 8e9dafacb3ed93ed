"""What targets are made by."""

from dreamsmk.tasks.context import Asked, Context, Model, Plan, Progress, Reads, Rows, Task

__all__ = ["Asked", "Context", "Model", "Plan", "Progress", "Reads", "Rows", "Task"]
