"""Published methods of making data, as tasks: several calls a row, or calls that build on replies."""
