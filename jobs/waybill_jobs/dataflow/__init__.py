"""Runs the program of a mapping data flow (docs/data-flows.md) as Spark DataFrames."""
