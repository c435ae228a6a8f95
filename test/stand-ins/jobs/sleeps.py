"""A step of emr-spark.test.ts that is cancelled: says that Spark is up (an object in S3), then works for long."""

import sys

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
spark.range(1).write.mode("overwrite").json(sys.argv[1])
spark.sparkContext.parallelize(range(2), 2).map(lambda _: __import__("time").sleep(600)).collect()
