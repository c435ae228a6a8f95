"""A step of emr-spark.test.ts that fails inside Spark: it reads a table that is not there."""

from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
spark.read.format("delta").load("s3://lake/no/such/table").show()
