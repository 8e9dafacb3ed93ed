"""Tests of the tasks that embed, look up and score texts."""
