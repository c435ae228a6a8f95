"""Drives the EMR Serverless stand-in with boto3, a client that nobody here wrote. Argument: the endpoint. Prints 'boto3 ok'.

botocore parses answers by the service's own model but drops what the model does not know and does not check types;
so every answer is also checked against the model here: known members only, required ones there, right types.
"""

import datetime
import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

client = boto3.client(
    "emr-serverless",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="local",
    aws_secret_access_key="local-only",
    config=Config(retries={"total_max_attempts": 1}),
)
TYPES = {
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "double": (int, float),
    "timestamp": (int, float),
    "list": list,
    "map": dict,
    "structure": dict,
}
ROLE = "arn:aws:iam::000000000000:role/lake-jobs"
answered = set()


def check(shape, value, path):
    """Fails unless the raw JSON value is what the model's shape allows."""
    assert isinstance(value, TYPES[shape.type_name]), f"{path}: {value!r} is no {shape.type_name}"
    if shape.type_name == "structure":
        for name in shape.required_members:
            assert name in value, f"{path}: {name} is missing"
        for name, member in value.items():
            assert name in shape.members, f"{path}: the model knows no {name}"
            check(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        for index, member in enumerate(value):
            check(shape.member, member, f"{path}[{index}]")
    elif shape.type_name == "map":
        for key, member in value.items():
            check(shape.value, member, f"{path}[{key!r}]")
    elif shape.type_name == "string" and getattr(shape, "enum", None):
        assert value in shape.enum, f"{path}: {value!r} is not one of {shape.enum}"


def after_call(event_name, http_response, parsed, model, **_):
    if http_response.status_code == 200 and model.output_shape is not None:
        check(model.output_shape, json.loads(http_response.content), model.name)
        answered.add(model.name)


client.meta.events.register("after-call.emr-serverless.*", after_call)


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError(f"{call} should have failed")


def until(what, get):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        value = get()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited in vain: {what}")


def application_in(*states):
    def get():
        found = client.get_application(applicationId=app)["application"]
        return found if found["state"] in states else None

    return until(f"the application is {states}", get)


def run_in(run, *states):
    def get():
        found = client.get_job_run(applicationId=app, jobRunId=run)["jobRun"]
        return found if found["state"] in states else None

    return until(f"the job run is {states}", get)


asked = {
    "name": "boto3",
    "releaseLabel": "emr-7.10.0",
    "type": "SPARK",
    "clientToken": "token-1",
    "architecture": "ARM64",
    "tags": {"a": "1"},
    "maximumCapacity": {"cpu": "16 vCPU", "memory": "64 GB", "disk": "200 GB"},
    "initialCapacity": {"DRIVER": {"workerCount": 1, "workerConfiguration": {"cpu": "2 vCPU", "memory": "8 GB"}}},
    "networkConfiguration": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
    "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 20},
    "runtimeConfiguration": [{"classification": "spark-defaults", "properties": {"spark.sql.shuffle.partitions": "3"}}],
}
made = client.create_application(**asked)
app, arn = made["applicationId"], made["arn"]
assert client.create_application(**asked)["applicationId"] == app
assert code(client.create_application, **{**asked, "name": "other"}) == ("ConflictException", 409)
assert code(client.create_application, **{**asked, "clientToken": "2", "type": "HIVE"}) == ("NotImplementedException", 501)
assert code(client.create_application, **{**asked, "clientToken": "3", "name": "a b"}) == ("ValidationException", 400)
described = application_in("CREATED")
assert isinstance(described["createdAt"], datetime.datetime) and described["architecture"] == "ARM64", described
assert described["initialCapacity"] == asked["initialCapacity"], described

updated = client.update_application(applicationId=app, clientToken="u", maximumCapacity={"cpu": "8 vCPU", "memory": "32 GB"})
assert updated["application"]["maximumCapacity"] == {"cpu": "8 vCPU", "memory": "32 GB"}
client.tag_resource(resourceArn=arn, tags={"b": "2"})
assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1", "b": "2"}
client.untag_resource(resourceArn=arn, tagKeys=["b"])
assert client.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1"}
pages = client.get_paginator("list_applications").paginate(states=["CREATED", "STOPPED"])
assert [a["name"] for page in pages for a in page["applications"] if a["id"] == app] == ["boto3"]

# A job run starts the application.
job = {
    "applicationId": app,
    "clientToken": "job-1",
    "name": "absent",
    "executionRoleArn": ROLE,
    "jobDriver": {
        "sparkSubmit": {
            "entryPoint": "s3://lake/absent.py",
            "entryPointArguments": ["a b", "$(c)"],
            "sparkSubmitParameters": "--conf spark.executor.cores=2 --conf 'spark.app.note=a b'",
        }
    },
    "configurationOverrides": {
        "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://lake/logs/"}},
        "applicationConfiguration": [{"classification": "spark-defaults", "properties": {"spark.driver.cores": "1"}}],
    },
    "executionTimeoutMinutes": 30,
    "tags": {"t": "1"},
}
run = client.start_job_run(**job)["jobRunId"]
assert client.start_job_run(**job)["jobRunId"] == run
assert code(client.start_job_run, **{**job, "name": "other"}) == ("ConflictException", 409)
assert code(client.stop_application, applicationId=app)[0] == "ValidationException"
failed = run_in(run, "FAILED")
assert "absent.py" in failed["stateDetails"], failed
assert failed["jobDriver"] == job["jobDriver"] and failed["tags"] == {"t": "1"}, failed
application_in("STARTED")
assert code(client.cancel_job_run, applicationId=app, jobRunId=run)[0] == "ValidationException"
assert code(client.delete_application, applicationId=app)[0] == "ValidationException"
assert code(client.update_application, applicationId=app, clientToken="u")[0] == "ValidationException"

# A stopped application starts again for a job run, and that is cancelled before it begins.
client.stop_application(applicationId=app)
application_in("STOPPED")
late = client.start_job_run(**{**job, "clientToken": "job-2", "name": "late"})["jobRunId"]
assert client.cancel_job_run(applicationId=app, jobRunId=late)["jobRunId"] == late
run_in(late, "CANCELLED")
before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
runs = [r for page in client.get_paginator("list_job_runs").paginate(applicationId=app) for r in page["jobRuns"]]
assert [r["name"] for r in runs] == ["late", "absent"], runs
assert [r["id"] for r in client.list_job_runs(applicationId=app, states=["FAILED"], createdAtAfter=before)["jobRuns"]] == [run]
assert client.list_job_runs(applicationId=app, createdAtBefore=before)["jobRuns"] == []

for name in ("list_job_run_attempts", "get_dashboard_for_job_run"):
    assert code(getattr(client, name), applicationId=app, jobRunId=run) == ("NotImplementedException", 501), name
streaming = {**job, "clientToken": "s", "mode": "STREAMING"}
assert code(client.start_job_run, **streaming) == ("NotImplementedException", 501)
hive = {**job, "clientToken": "h", "jobDriver": {"hive": {"query": "q"}}}
assert code(client.start_job_run, **hive) == ("NotImplementedException", 501)
assert code(client.get_application, applicationId="00fnone") == ("ResourceNotFoundException", 404)
assert code(client.get_job_run, applicationId=app, jobRunId="00fnone") == ("ResourceNotFoundException", 404)

client.start_application(applicationId=app)
application_in("STARTED")
client.stop_application(applicationId=app)
application_in("STOPPED")
client.delete_application(applicationId=app)
assert application_in("TERMINATED")
assert app not in [a["id"] for a in client.list_applications(states=["STOPPED", "CREATED"])["applications"]]
assert len(answered) >= 13, sorted(answered)
print("boto3 ok")
