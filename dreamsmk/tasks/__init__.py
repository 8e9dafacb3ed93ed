"""What targets are made by."""

from dreamsmk.tasks.context import Context, Model, Progress, Task

__all__ = ["Context", "Model", "Progress", "Task"]
