"""A step of emr-spark.test.ts: reads JSON and writes Delta, both by s3:// URIs, then says what it saw as JSON.

Arguments: input, output, a text that must arrive as it was given, a file that --files brought.
"""

import json
import os
import sys

from helper import doubled
from pyspark import SparkFiles
from pyspark.sql import SparkSession

source, target, text, file = sys.argv[1:5]
spark = SparkSession.builder.appName("to_delta").getOrCreate()
rows = spark.read.schema("id long, v double").json(source)
rows.selectExpr("id", "v").write.format("delta").mode("overwrite").save(target)
spark.sql(f"OPTIMIZE delta.`{target}`")
read = spark.read.format("delta").load(target)
conf = spark.sparkContext.getConf()
with open(SparkFiles.get(file)) as lines:
    content = lines.read()
report = {
    "rows": read.count(),
    "sum": doubled(read.agg({"v": "sum"}).first()[0]),
    "text": text,
    "file": content,
    "file in working directory": os.path.exists(file),
    "master": spark.sparkContext.master,
    "shuffle": spark.conf.get("spark.sql.shuffle.partitions"),
    "discovery": spark.conf.get("spark.sql.sources.parallelPartitionDiscovery.parallelism"),
    "snapshot": spark.conf.get("spark.databricks.delta.snapshotPartitions"),
    "zone": spark.conf.get("spark.sql.session.timeZone"),
    "variable": os.environ.get("JOB_VARIABLE"),
    "secrets in configuration": [v for _, v in conf.getAll() if v == os.environ["AWS_SECRET_ACCESS_KEY"]],
}
print("REPORT " + json.dumps(report))
spark.stop()
