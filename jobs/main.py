"""Entry point of every Spark step: `spark-submit --py-files waybill_jobs.zip main.py <job> --key value ...`."""

import sys

from waybill_jobs.cli import main

if __name__ == "__main__":
    # Databricks takes every exit for a failure, also one with 0.
    if code := main(sys.argv[1:]):
        sys.exit(code)
