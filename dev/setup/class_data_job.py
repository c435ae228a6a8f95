"""The job whose classes go into the class-data archive: what waybill's Spark jobs do, on a handful of rows.

Arguments: a scratch directory and the address of an S3 server (credentials from the environment).
"""

import sys

import boto3
from delta.tables import DeltaTable
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

scratch, endpoint = sys.argv[1:3]
base = "s3a://class-data"
boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="class-data")

spark = (
    SparkSession.builder.appName("class-data")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.databricks.delta.snapshotPartitions", "1")
    .config("spark.sql.sources.parallelPartitionDiscovery.parallelism", "2")
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    .config("spark.sql.warehouse.dir", f"{scratch}/warehouse")
    .config("spark.hadoop.fs.s3a.endpoint", endpoint)
    .config("spark.hadoop.fs.s3a.endpoint.region", "us-east-1")
    .config("spark.hadoop.fs.s3a.path.style.access", "true")
    .config(
        "spark.hadoop.fs.s3a.aws.credentials.provider",
        "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider",
    )
    .getOrCreate()
)

rows = spark.range(200).select(
    F.col("id"),
    F.concat(F.lit("name "), F.col("id")).alias("name"),
    (F.col("id") % 2).cast("int").alias("part"),
    F.expr("timestamp'2013-01-01 00:00:00' + make_interval(0, 0, 0, 0, cast(id as int))").alias("at"),
    (F.col("id") / 3).cast("decimal(10,3)").alias("amount"),
)
rows.write.mode("overwrite").json(f"{base}/json")
rows.write.mode("overwrite").option("header", True).option("compression", "gzip").csv(f"{base}/csv")
rows.write.mode("overwrite").parquet(f"{base}/parquet")
read = spark.read.schema(rows.schema).json(f"{base}/json")
read.unionByName(spark.read.parquet(f"{base}/parquet")).unionByName(
    spark.read.schema(rows.schema).option("header", True).csv(f"{base}/csv")
).write.format("delta").partitionBy("part").mode("overwrite").save(f"{base}/delta")

table = DeltaTable.forPath(spark, f"{base}/delta")
latest = (
    read.withColumn("rank", F.row_number().over(Window.partitionBy("id").orderBy(F.desc("at"))))
    .where("rank = 1")
    .drop("rank")
)
(
    table.alias("t")
    .merge(latest.alias("s"), "t.id = s.id")
    .whenMatchedUpdate(condition="t.part = 1", set={"name": "s.name"})
    .whenNotMatchedInsertAll()
    .execute()
)
spark.sql(f"CREATE TABLE silver USING delta LOCATION '{base}/delta'")
joined = spark.table("silver").join(F.broadcast(latest.select("id", F.col("amount").alias("other"))), "id", "left")
joined.groupBy("part").agg(F.count("*"), F.sum("amount"), F.avg("other"), F.countDistinct("id")).show()
table.optimize().executeCompaction()
spark.sql("VACUUM silver RETAIN 168 HOURS").count()
table.history().count()
spark.stop()
