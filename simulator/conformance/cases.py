"""What the simulator and moto are both asked."""

from dataclasses import dataclass
from typing import Any

from auto_scaling import MOST_NAMED, NO_GROUP, NO_INSTANCE
from clusters import MOST_PROVIDERS, PROVIDER
from ecs import MOST_ATTRIBUTES, MOST_DESCRIBED, MOST_SERVICES, MOST_UPDATED, NOWHERE, made_up_ids, missing
from hooks import NEW, SHORTEST, TERMINATING
from served import CLUSTER, GROUP, HOOK, SERVICE
from stack import NO_RULE


@dataclass
class Side:
    """One of the two, and what it has."""

    ecs: Any
    auto_scaling: Any
    events: Any
    instance: str
    instance_id: str
    task: str
    rule: str


def side(ecs, auto_scaling, events, rule):
    """Of two worlds with different ids: a task of the service, the host it is on, and a rule."""
    arns = ecs.list_tasks(cluster=CLUSTER)["taskArns"]
    tasks = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
    task = next(task for task in tasks if task["group"] == f"service:{SERVICE}")
    instance = task["containerInstanceArn"]
    described = ecs.describe_container_instances(cluster=CLUSTER, containerInstances=[instance])
    instance_id = described["containerInstances"][0]["ec2InstanceId"]
    return Side(ecs, auto_scaling, events, instance, instance_id, task["taskArn"], rule)


def short(arn):
    return arn.rpartition("/")[2]


def attribute(it, **members):
    return {"name": "stack", "value": "production", "targetId": it.instance} | members


def hook(**names):
    return {"AutoScalingGroupName": GROUP, "LifecycleHookName": NEW} | names


# By operation: a title, and the request for a side. In this order, as later ones see what earlier ones did.
CASES = {
    "ListClusters": {
        "all": lambda it: {},
        "one page": lambda it: {"maxResults": 1},
        "a page of none": lambda it: {"maxResults": 0},
        "a token that is none": lambda it: {"nextToken": "nonsense"},
    },
    "DescribeClusters": {
        "one": lambda it: {"clusters": [CLUSTER]},
        "one there is not": lambda it: {"clusters": [NOWHERE]},
        "none": lambda it: {},
        "too many": lambda it: {"clusters": made_up_ids(MOST_DESCRIBED + 1)},
    },
    "DescribeCapacityProviders": {
        "one": lambda it: {"capacityProviders": [PROVIDER]},
        "one there is not": lambda it: {"capacityProviders": ["another"]},
        "too many": lambda it: {"capacityProviders": made_up_ids(MOST_DESCRIBED + 1)},
        "too large a page": lambda it: {"maxResults": MOST_PROVIDERS + 1},
    },
    "ListContainerInstances": {
        "all": lambda it: {"cluster": CLUSTER},
        "one page": lambda it: {"cluster": CLUSTER, "maxResults": 1},
        "draining ones": lambda it: {"cluster": CLUSTER, "status": "DRAINING"},
        "by instance id": lambda it: {"cluster": CLUSTER, "filter": f"ec2InstanceId in ['{it.instance_id}']"},
        "a filter that is none": lambda it: {"cluster": CLUSTER, "filter": "nonsense"},
        "a status that is none": lambda it: {"cluster": CLUSTER, "status": "GONE"},
        "no such cluster": lambda it: {"cluster": NOWHERE},
    },
    "DescribeContainerInstances": {
        "one": lambda it: {"cluster": CLUSTER, "containerInstances": [it.instance]},
        "one by its short id": lambda it: {"cluster": CLUSTER, "containerInstances": [short(it.instance)]},
        "one there is not": lambda it: {"cluster": CLUSTER, "containerInstances": [missing(it.instance)]},
        "none": lambda it: {"cluster": CLUSTER, "containerInstances": []},
        "too many": lambda it: {"cluster": CLUSTER, "containerInstances": made_up_ids(MOST_DESCRIBED + 1)},
        "no such cluster": lambda it: {"cluster": NOWHERE, "containerInstances": [it.instance]},
    },
    "UpdateContainerInstancesState": {
        "to DRAINING": lambda it: {"cluster": CLUSTER, "containerInstances": [it.instance], "status": "DRAINING"},
        "to ACTIVE": lambda it: {"cluster": CLUSTER, "containerInstances": [it.instance], "status": "ACTIVE"},
        "to REGISTERING": lambda it: {"cluster": CLUSTER, "containerInstances": [it.instance], "status": "REGISTERING"},
        "one there is not": lambda it: {
            "cluster": CLUSTER,
            "containerInstances": [missing(it.instance)],
            "status": "ACTIVE",
        },
        "none": lambda it: {"cluster": CLUSTER, "containerInstances": [], "status": "ACTIVE"},
        "too many": lambda it: {
            "cluster": CLUSTER,
            "containerInstances": made_up_ids(MOST_UPDATED + 1),
            "status": "ACTIVE",
        },
        "no such cluster": lambda it: {"cluster": NOWHERE, "containerInstances": [it.instance], "status": "ACTIVE"},
    },
    "ListTasks": {
        "all": lambda it: {"cluster": CLUSTER},
        "one page": lambda it: {"cluster": CLUSTER, "maxResults": 1},
        "of an instance": lambda it: {"cluster": CLUSTER, "containerInstance": it.instance},
        "stopped ones": lambda it: {"cluster": CLUSTER, "desiredStatus": "STOPPED"},
        "pending ones": lambda it: {"cluster": CLUSTER, "desiredStatus": "PENDING"},
        "a status that is none": lambda it: {"cluster": CLUSTER, "desiredStatus": "SLEEPING"},
        "no such cluster": lambda it: {"cluster": NOWHERE},
    },
    "DescribeTasks": {
        "one": lambda it: {"cluster": CLUSTER, "tasks": [it.task]},
        "one by its short id": lambda it: {"cluster": CLUSTER, "tasks": [short(it.task)]},
        "one with its tags": lambda it: {"cluster": CLUSTER, "tasks": [it.task], "include": ["TAGS"]},
        "one there is not": lambda it: {"cluster": CLUSTER, "tasks": [missing(it.task)]},
        "none": lambda it: {"cluster": CLUSTER, "tasks": []},
        "too many": lambda it: {"cluster": CLUSTER, "tasks": made_up_ids(MOST_DESCRIBED + 1)},
        "no such cluster": lambda it: {"cluster": NOWHERE, "tasks": [it.task]},
    },
    "GetTaskProtection": {
        "one": lambda it: {"cluster": CLUSTER, "tasks": [it.task]},
        "one there is not": lambda it: {"cluster": CLUSTER, "tasks": [missing(it.task)]},
        "all": lambda it: {"cluster": CLUSTER},
        "too many": lambda it: {"cluster": CLUSTER, "tasks": made_up_ids(MOST_DESCRIBED + 1)},
        "no such cluster": lambda it: {"cluster": NOWHERE, "tasks": [it.task]},
    },
    "DescribeServices": {
        "one": lambda it: {"cluster": CLUSTER, "services": [SERVICE]},
        "one there is not": lambda it: {"cluster": CLUSTER, "services": ["another"]},
        "none": lambda it: {"cluster": CLUSTER, "services": []},
        "too many": lambda it: {"cluster": CLUSTER, "services": made_up_ids(MOST_SERVICES + 1)},
        "no such cluster": lambda it: {"cluster": NOWHERE, "services": [SERVICE]},
    },
    "StopTask": {
        "one": lambda it: {"cluster": CLUSTER, "task": it.task, "reason": "a reason"},
        "one there is not": lambda it: {"cluster": CLUSTER, "task": missing(it.task)},
        "no such cluster": lambda it: {"cluster": NOWHERE, "task": it.task},
    },
    "PutAttributes": {
        "one": lambda it: {"cluster": CLUSTER, "attributes": [attribute(it)]},
        "one by its short id": lambda it: {
            "cluster": CLUSTER,
            "attributes": [attribute(it, targetId=short(it.instance), targetType="container-instance")],
        },
        "without a target": lambda it: {"cluster": CLUSTER, "attributes": [{"name": "stack"}]},
        "a target there is not": lambda it: {
            "cluster": CLUSTER,
            "attributes": [attribute(it, targetId=missing(it.instance))],
        },
        "none": lambda it: {"cluster": CLUSTER, "attributes": []},
        "a name that is none": lambda it: {"cluster": CLUSTER, "attributes": [attribute(it, name="a b")]},
        "too many": lambda it: {
            "cluster": CLUSTER,
            "attributes": [attribute(it, name=f"n{number}") for number in range(MOST_ATTRIBUTES + 1)],
        },
        "more than an instance takes": lambda it: {
            "cluster": CLUSTER,
            "attributes": [attribute(it, name=f"n{number}") for number in range(MOST_ATTRIBUTES)],
        },
        "no such cluster": lambda it: {"cluster": NOWHERE, "attributes": [attribute(it)]},
    },
    "DeleteAttributes": {
        "one": lambda it: {"cluster": CLUSTER, "attributes": [{"name": "stack", "targetId": it.instance}]},
        "a target there is not": lambda it: {
            "cluster": CLUSTER,
            "attributes": [attribute(it, targetId=missing(it.instance))],
        },
        "none": lambda it: {"cluster": CLUSTER, "attributes": []},
        "no such cluster": lambda it: {"cluster": NOWHERE, "attributes": [attribute(it)]},
    },
    "DescribeAutoScalingInstances": {
        "all": lambda it: {},
        "one": lambda it: {"InstanceIds": [it.instance_id]},
        "one there is not": lambda it: {"InstanceIds": [NO_INSTANCE]},
        "one page": lambda it: {"MaxRecords": 1},
        "too many": lambda it: {"InstanceIds": [f"i-{number:017x}" for number in range(MOST_NAMED + 1)]},
        "a token that is none": lambda it: {"NextToken": "nonsense"},
    },
    "DescribeAutoScalingGroups": {
        "all": lambda it: {},
        "one": lambda it: {"AutoScalingGroupNames": [GROUP]},
        "one there is not": lambda it: {"AutoScalingGroupNames": [NO_GROUP]},
        "one page": lambda it: {"MaxRecords": 1},
        "too many": lambda it: {"AutoScalingGroupNames": [f"group-{number}" for number in range(MOST_NAMED + 1)]},
        "too large a page": lambda it: {"MaxRecords": 101},
        "a token that is none": lambda it: {"NextToken": "nonsense"},
    },
    "DescribeLifecycleHooks": {
        "all": lambda it: {"AutoScalingGroupName": GROUP},
        "one": lambda it: {"AutoScalingGroupName": GROUP, "LifecycleHookNames": [HOOK]},
        "one there is not": lambda it: {"AutoScalingGroupName": GROUP, "LifecycleHookNames": ["another"]},
        "no such group": lambda it: {"AutoScalingGroupName": NO_GROUP},
    },
    "DescribeScalingActivities": {
        "all": lambda it: {},
        "of a group": lambda it: {"AutoScalingGroupName": GROUP},
        "no such group": lambda it: {"AutoScalingGroupName": NO_GROUP},
        "too large a page": lambda it: {"MaxRecords": 101},
        "a token that is none": lambda it: {"NextToken": "nonsense"},
    },
    "DescribeWarmPool": {
        "of a group": lambda it: {"AutoScalingGroupName": GROUP},
        "no such group": lambda it: {"AutoScalingGroupName": NO_GROUP},
        "too large a page": lambda it: {"AutoScalingGroupName": GROUP, "MaxRecords": 51},
    },
    "PutLifecycleHook": {
        "a new one": lambda it: hook() | {"LifecycleTransition": TERMINATING},
        "one there is": lambda it: hook() | {"HeartbeatTimeout": SHORTEST},
        "a new one without a transition": lambda it: hook(LifecycleHookName="yet-another"),
        "too short a timeout": lambda it: hook() | {"HeartbeatTimeout": SHORTEST - 1},
        "no such group": lambda it: hook(AutoScalingGroupName=NO_GROUP) | {"LifecycleTransition": TERMINATING},
    },
    "DeleteLifecycleHook": {
        "one": lambda it: hook(),
        "one there is not": lambda it: hook(),
        "no such group": lambda it: hook(AutoScalingGroupName=NO_GROUP),
    },
    "CompleteLifecycleAction": {
        "one there is not": lambda it: {
            "AutoScalingGroupName": GROUP,
            "LifecycleHookName": HOOK,
            "InstanceId": it.instance_id,
            "LifecycleActionResult": "CONTINUE",
        },
    },
    "RecordLifecycleActionHeartbeat": {
        "one there is not": lambda it: {
            "AutoScalingGroupName": GROUP,
            "LifecycleHookName": HOOK,
            "InstanceId": it.instance_id,
        },
    },
    "DescribeRule": {
        "one": lambda it: {"Name": it.rule},
        "one there is not": lambda it: {"Name": NO_RULE},
        "no such bus": lambda it: {"Name": it.rule, "EventBusName": "another"},
    },
    "ListTargetsByRule": {
        "of one": lambda it: {"Rule": it.rule},
        "of one there is not": lambda it: {"Rule": NO_RULE},
    },
}
