"""Drives the S3 stand-in with boto3, a client that nobody here wrote. Argument: the endpoint. Prints 'boto3 ok'."""

import io
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

MEBIBYTE = 1024 * 1024

s3 = boto3.client(
    "s3",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="local",
    aws_secret_access_key="local-only",
    config=Config(s3={"addressing_style": "path"}),
)

body = bytes(range(256)) * (12 * MEBIBYTE // 256)
parts = TransferConfig(multipart_threshold=5 * MEBIBYTE, multipart_chunksize=5 * MEBIBYTE)
s3.upload_fileobj(io.BytesIO(body), "lake", "boto3/multipart", Config=parts)
head = s3.head_object(Bucket="lake", Key="boto3/multipart")
assert head["ContentLength"] == len(body), head
assert head["ETag"].endswith('-3"'), head["ETag"]
assert s3.get_object(Bucket="lake", Key="boto3/multipart")["Body"].read() == body

# A part more than asked for, a range, a listing over two pages, a condition, an error.
aborted = s3.create_multipart_upload(Bucket="lake", Key="boto3/aborted")["UploadId"]
s3.upload_part(Bucket="lake", Key="boto3/aborted", UploadId=aborted, PartNumber=1, Body=b"x")
s3.abort_multipart_upload(Bucket="lake", Key="boto3/aborted", UploadId=aborted)
assert "Uploads" not in s3.list_multipart_uploads(Bucket="lake")
assert s3.get_object(Bucket="lake", Key="boto3/multipart", Range="bytes=5-9")["Body"].read() == body[5:10]

for number in range(5):
    s3.put_object(Bucket="lake", Key=f"list/day={number}/part", Body=str(number).encode())
pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix="list/", PaginationConfig={"PageSize": 2}))
assert len(pages) == 3, len(pages)
assert [o["Key"] for page in pages for o in page["Contents"]] == [f"list/day={n}/part" for n in range(5)]

try:
    s3.put_object(Bucket="lake", Key="list/day=0/part", Body=b"again", IfNoneMatch="*")
    raise AssertionError("a second create of the same key was accepted")
except ClientError as error:
    assert error.response["Error"]["Code"] == "PreconditionFailed", error
try:
    s3.get_object(Bucket="lake", Key="nothing/here")
    raise AssertionError("a missing key was found")
except ClientError as error:
    assert error.response["Error"]["Code"] == "NoSuchKey", error

print("boto3 ok")
