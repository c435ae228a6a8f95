"""Runs a Databricks notebook in source form: its cells in order, with `dbutils`, `display` and, where it is named, `spark`.

Arguments: the notebook, a JSON file of its parameters, and the file that gets what `dbutils.notebook.exit` was given.
"""

import json
import re
import sys

CELL = re.compile(r"^# COMMAND -+\s*$", re.MULTILINE)
MAGIC = "# MAGIC"


class NotebookExit(BaseException):
    """Ends the notebook; not an Exception, so that a notebook's own handlers do not swallow it."""


class NotImplementedHere:
    """A part of dbutils that exists in Databricks and not here: every use says so by name."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, member):
        raise NotImplementedError(
            f"{self._name}.{member} exists in Databricks, but this stand-in does not implement it."
        )


class Widgets:
    def __init__(self, given):
        self._given = given
        self._defaults = {}

    def _declare(self, name, default):
        self._defaults[name] = str(default)

    def text(self, name, defaultValue="", label=None):
        self._declare(name, defaultValue)

    def dropdown(self, name, defaultValue, choices, label=None):
        self._declare(name, defaultValue)

    combobox = dropdown
    multiselect = dropdown

    def get(self, name):
        for values in (self._given, self._defaults):
            if name in values:
                return values[name]
        raise ValueError(f"InputWidgetNotDefined: No input widget named {name} is defined")

    def getArgument(self, name, defaultValue=None):
        try:
            return self.get(name)
        except ValueError:
            if defaultValue is None:
                raise
            return defaultValue

    def getAll(self):
        return {**self._defaults, **self._given}

    def remove(self, name):
        self._defaults.pop(name, None)

    def removeAll(self):
        self._defaults.clear()


class Notebook(NotImplementedHere):
    def exit(self, value=""):
        raise NotebookExit(str(value))


class DbUtils:
    def __init__(self, given):
        self.widgets = Widgets(given)
        self.notebook = Notebook("dbutils.notebook")

    def __getattr__(self, member):
        return NotImplementedHere(f"dbutils.{member}")


def cells_of(source):
    """Python code of each cell, and for other languages a pair of the magic word and its text."""
    source = re.sub(r"\A# Databricks notebook source\s*\n", "", source)
    for cell in CELL.split(source):
        lines = [line for line in cell.strip("\n").split("\n") if not line.startswith("# DBTITLE")]
        magic = [line[len(MAGIC) :].removeprefix(" ") for line in lines if line.startswith(MAGIC)]
        if not magic or not magic[0].startswith("%"):
            yield "python", "\n".join(lines)
            continue
        word, _, rest = magic[0][1:].partition(" ")
        yield word, "\n".join([rest, *magic[1:]]).strip()


def display(value=None, *_more):
    show = getattr(value, "show", None)
    if callable(show):
        show()
    else:
        print(value)


def main():
    notebook, parameters, exit_file = sys.argv[1:4]
    with open(notebook, encoding="utf-8") as file:
        source = file.read()
    with open(parameters, encoding="utf-8") as file:
        given = json.load(file)
    dbutils = DbUtils(given)
    names = {
        "__name__": "__main__",
        "dbutils": dbutils,
        "display": display,
        "displayHTML": print,
        "getArgument": dbutils.widgets.getArgument,
    }
    # A session takes seconds to start; a notebook that never names it gets on without.
    if re.search(r"\b(spark|sc|sqlContext|pyspark)\b|%sql", source):
        from pyspark.sql import SparkSession

        spark = SparkSession.builder.getOrCreate()
        names.update(spark=spark, sc=spark.sparkContext, sql=spark.sql)
    sys.argv = [notebook]
    try:
        for number, (language, text) in enumerate(cells_of(source), start=1):
            if language == "python":
                exec(compile(text, f"<cell {number}>", "exec"), names)
            elif language == "sql":
                for statement in filter(str.strip, text.split(";")):
                    display(names["spark"].sql(statement))
            elif language not in ("md", "md-sandbox"):
                raise NotImplementedError(
                    f"Cell {number} is %{language}: that exists in Databricks, but this stand-in does not implement it."
                )
    except NotebookExit as end:
        with open(exit_file, "w", encoding="utf-8") as file:
            file.write(end.args[0])


main()
