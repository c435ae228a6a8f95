"""Drives the EMR stand-in with boto3, a client that nobody here wrote. Argument: the endpoint. Prints 'boto3 ok'.

botocore parses answers by the service's own model but drops what the model does not know and does not check types;
so every answer is also checked against the model here: known members only, right types.
"""

import datetime
import sys

import boto3
from botocore.exceptions import ClientError, WaiterError

emr = boto3.client(
    "emr",
    endpoint_url=sys.argv[1],
    region_name="us-east-1",
    aws_access_key_id="local",
    aws_secret_access_key="local-only",
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
bodies = []


def check(shape, value, path):
    """Fails unless the raw JSON value is what the model's shape allows."""
    assert isinstance(value, TYPES[shape.type_name]), f"{path}: {value!r} is no {shape.type_name}"
    if shape.type_name == "structure":
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


def check_answer(http_response, model, **_):
    import json

    if http_response.status_code == 200 and model.output_shape is not None and http_response.content:
        check(model.output_shape, json.loads(http_response.content), model.name)
        bodies.append(model.name)


def after_call(event_name, http_response, parsed, model, **_):
    check_answer(http_response, model)


emr.meta.events.register("after-call.emr.*", after_call)

cluster = emr.run_job_flow(
    Name="boto3",
    LogUri="s3n://lake/logs",
    ReleaseLabel="emr-7.10.0",
    ServiceRole="EMR_DefaultRole",
    JobFlowRole="EMR_EC2_DefaultRole",
    Applications=[{"Name": "Spark"}],
    Configurations=[{"Classification": "spark-defaults", "Properties": {"spark.sql.shuffle.partitions": "3"}}],
    Tags=[{"Key": "a", "Value": "1"}],
    Instances={
        "KeepJobFlowAliveWhenNoSteps": True,
        "Ec2SubnetId": "subnet-1",
        "InstanceGroups": [
            {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
            {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 2, "Name": "core"},
        ],
    },
)["JobFlowId"]
emr.get_waiter("cluster_running").wait(ClusterId=cluster, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def step(name, *args):
    return {"Name": name, "ActionOnFailure": "CONTINUE", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": list(args)}}


good, bad = emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step("good", "true"), step("bad", "bash", "-c", "exit 7")])[
    "StepIds"
]
waiter = emr.get_waiter("step_complete")
waiter.wait(ClusterId=cluster, StepId=good, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
try:
    waiter.wait(ClusterId=cluster, StepId=bad, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    raise AssertionError("a step that exits 7 completed")
except WaiterError as error:
    status = error.last_response["Step"]["Status"]
    assert status["State"] == "FAILED", status
    assert status["FailureDetails"]["LogFile"].startswith(f"s3://lake/logs/{cluster}/steps/{bad}/"), status
    assert isinstance(status["Timeline"]["EndDateTime"], datetime.datetime), status
assert [s["Name"] for s in emr.list_steps(ClusterId=cluster, StepStates=["COMPLETED"])["Steps"]] == ["good"]
assert [s["Id"] for s in emr.list_steps(ClusterId=cluster, StepIds=[bad])["Steps"]] == [bad]
assert emr.describe_cluster(ClusterId=cluster)["Cluster"]["LogUri"] == "s3n://lake/logs/"

groups = {g["InstanceGroupType"]: g for g in emr.list_instance_groups(ClusterId=cluster)["InstanceGroups"]}
emr.modify_instance_groups(ClusterId=cluster, InstanceGroups=[{"InstanceGroupId": groups["CORE"]["Id"], "InstanceCount": 5}])
task = {"InstanceRole": "TASK", "InstanceType": "m5.xlarge", "InstanceCount": 1, "Market": "SPOT"}
assert len(emr.add_instance_groups(JobFlowId=cluster, InstanceGroups=[task])["InstanceGroupIds"]) == 1
assert len(emr.list_instances(ClusterId=cluster)["Instances"]) == 7
assert len(emr.list_instances(ClusterId=cluster, InstanceGroupTypes=["CORE"])["Instances"]) == 5

limits = {"UnitType": "Instances", "MinimumCapacityUnits": 1, "MaximumCapacityUnits": 4}
emr.put_managed_scaling_policy(ClusterId=cluster, ManagedScalingPolicy={"ComputeLimits": limits})
assert emr.get_managed_scaling_policy(ClusterId=cluster)["ManagedScalingPolicy"]["ComputeLimits"] == limits
emr.remove_managed_scaling_policy(ClusterId=cluster)
assert "ManagedScalingPolicy" not in emr.get_managed_scaling_policy(ClusterId=cluster)
rule = {
    "Name": "out",
    "Action": {"SimpleScalingPolicyConfiguration": {"ScalingAdjustment": 1}},
    "Trigger": {
        "CloudWatchAlarmDefinition": {
            "ComparisonOperator": "LESS_THAN",
            "MetricName": "YARNMemoryAvailablePercentage",
            "Period": 300,
            "Threshold": 15,
        }
    },
}
policy = {"Constraints": {"MinCapacity": 1, "MaxCapacity": 3}, "Rules": [rule]}
put = emr.put_auto_scaling_policy(ClusterId=cluster, InstanceGroupId=groups["CORE"]["Id"], AutoScalingPolicy=policy)
assert put["AutoScalingPolicy"]["Rules"] == [rule], put
assert any("AutoScalingPolicy" in g for g in emr.list_instance_groups(ClusterId=cluster)["InstanceGroups"])
emr.remove_auto_scaling_policy(ClusterId=cluster, InstanceGroupId=groups["CORE"]["Id"])
emr.put_auto_termination_policy(ClusterId=cluster, AutoTerminationPolicy={"IdleTimeout": 604800})
assert emr.get_auto_termination_policy(ClusterId=cluster)["AutoTerminationPolicy"]["IdleTimeout"] == 604800
emr.remove_auto_termination_policy(ClusterId=cluster)

emr.add_tags(ResourceId=cluster, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
emr.remove_tags(ResourceId=cluster, TagKeys=["b"])
described = emr.describe_cluster(ClusterId=cluster)["Cluster"]
assert described["Tags"] == [{"Key": "a", "Value": "2"}], described
assert described["StepConcurrencyLevel"] == 1 and described["InstanceCollectionType"] == "INSTANCE_GROUP"
assert emr.modify_cluster(ClusterId=cluster, StepConcurrencyLevel=4)["StepConcurrencyLevel"] == 4
assert emr.list_bootstrap_actions(ClusterId=cluster)["BootstrapActions"] == []
listed = [c for page in emr.get_paginator("list_clusters").paginate(ClusterStates=["WAITING"]) for c in page["Clusters"]]
assert cluster in [c["Id"] for c in listed], listed


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    raise AssertionError(f"{call} should have failed")


assert code(emr.describe_cluster, ClusterId="j-NONE") == "InvalidRequestException"
assert code(emr.describe_step, ClusterId=cluster, StepId="s-NONE") == "InvalidRequestException"
assert code(emr.list_studios) == "NotImplementedException"
assert code(emr.describe_job_flows) == "NotImplementedException"
assert code(emr.list_instance_fleets, ClusterId=cluster) == "InvalidRequestException"

# Letting go of the cluster ends it: no step is left and nothing keeps it alive.
emr.set_keep_job_flow_alive_when_no_steps(JobFlowIds=[cluster], KeepJobFlowAliveWhenNoSteps=False)
emr.get_waiter("cluster_terminated").wait(ClusterId=cluster, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
assert len(set(bodies)) >= 15, sorted(set(bodies))
print("boto3 ok")
