"""Every Auto Scaling operation of the simulator, as boto3 sees it."""

import json
import uuid
from datetime import timedelta

from clients import pages
from drain import until
from served import GROUP, HEARTBEAT_TIMEOUT, HOOK, LEAVING, STAYING

NO_GROUP = "no-such-group"
NO_INSTANCE = "i-00000000000000000"
EVERY_HOST = {LEAVING, *STAYING}

# What real AWS answered; a row of a warm pool would be without ProtectedFromScaleIn.
ROW = {
    "InstanceId",
    "InstanceType",
    "AvailabilityZone",
    "AvailabilityZoneId",
    "LifecycleState",
    "HealthStatus",
    "LaunchTemplate",
    "ProtectedFromScaleIn",
}
ACTIVITY = {
    "ActivityId",
    "AutoScalingGroupName",
    "Description",
    "Cause",
    "StartTime",
    "StatusCode",
    "Progress",
    "Details",
    "AutoScalingGroupState",
    "AutoScalingGroupARN",
}

# API reference: at most 50 instance ids, and as many names of hooks; of group names "by default, you can only specify
# up to 50 names. You can optionally increase this limit using the MaxRecords property." What the refusal says:
# kubernetes/autoscaler#1228.
MOST_NAMED = 50

# From the begin of an action until its activity says that a hook holds it, and from its end to that of the host.
HELD_WITHIN = 5

# Auto Scaling API reference, LifecycleHook: GlobalTimeout.
LONGEST_WAIT = 172_800


def describe_auto_scaling_instances(checks, aws):
    describe = aws.auto_scaling.describe_auto_scaling_instances
    answer = describe()
    checks.equal({it["InstanceId"] for it in answer["AutoScalingInstances"]}, EVERY_HOST, "every instance")
    checks.that("NextToken" not in answer, "the last page has no token")
    for instance in answer["AutoScalingInstances"]:
        checks.equal(set(instance), ROW | {"AutoScalingGroupName"}, "what a row has")
        checks.equal(instance["AutoScalingGroupName"], GROUP, "its group")
        checks.equal(
            (instance["LifecycleState"], instance["HealthStatus"].upper()), ("InService", "HEALTHY"), "in service"
        )
    named = describe(InstanceIds=[LEAVING, NO_INSTANCE])
    checks.equal([it["InstanceId"] for it in named["AutoScalingInstances"]], [LEAVING], "an unknown id is ignored")

    one_by_one = pages(describe, "NextToken", MaxRecords=1)
    checks.equal([len(page["AutoScalingInstances"]) for page in one_by_one], [1, 1, 1], "pages of one")
    ids = {it["InstanceId"] for page in one_by_one for it in page["AutoScalingInstances"]}
    checks.equal(ids, EVERY_HOST, "what the pages hold")
    paginator = aws.auto_scaling.get_paginator("describe_auto_scaling_instances").paginate(
        PaginationConfig={"PageSize": 2}
    )
    checks.equal(len(paginator.build_full_result()["AutoScalingInstances"]), 3, "what boto3's paginator finds")

    too_many = [f"i-{number:017x}" for number in range(MOST_NAMED + 1)]
    checks.equal(describe(InstanceIds=too_many[1:])["AutoScalingInstances"], [], "as many ids as one request takes")
    checks.refused(aws.auto_scaling, "ValidationError", lambda: describe(InstanceIds=too_many), "limited to 50")
    paging_is_checked(checks, aws, describe, most=50)


def describe_auto_scaling_groups(checks, aws):
    describe = aws.auto_scaling.describe_auto_scaling_groups
    answer = describe()
    checks.equal([it["AutoScalingGroupName"] for it in answer["AutoScalingGroups"]], [GROUP], "every group")
    checks.that("NextToken" not in answer, "the last page has no token")
    group = answer["AutoScalingGroups"][0]
    checks.that(group["AutoScalingGroupARN"].endswith(f":autoScalingGroupName/{GROUP}"), "its ARN")
    checks.that(group["MinSize"] <= group["DesiredCapacity"] <= group["MaxSize"], "its sizes")
    checks.equal({it["InstanceId"] for it in group["Instances"]}, EVERY_HOST, "its instances")
    policy = {"RetentionTriggers": {"TerminateHookAbandon": "terminate"}}
    checks.equal(group["InstanceLifecyclePolicy"], policy, "it retains none")
    checks.that("WarmPoolSize" not in group and "WarmPoolConfiguration" not in group, "it has no warm pool")
    for instance in group["Instances"]:
        checks.equal(set(instance), ROW, "what a row has")
        checks.equal((instance["LifecycleState"], instance["HealthStatus"]), ("InService", "Healthy"), "in service")
    named = describe(AutoScalingGroupNames=[NO_GROUP, GROUP])
    checks.equal(
        [it["AutoScalingGroupName"] for it in named["AutoScalingGroups"]], [GROUP], "an unknown name is ignored"
    )
    checks.equal(len(pages(describe, "NextToken", MaxRecords=1)), 1, "pages of one group")

    too_many = [f"group-{number}" for number in range(MOST_NAMED + 1)]
    checks.equal(
        describe(AutoScalingGroupNames=too_many[1:])["AutoScalingGroups"], [], "as many names as one request takes"
    )
    checks.refused(
        aws.auto_scaling, "ValidationError", lambda: describe(AutoScalingGroupNames=too_many), "limited to 50"
    )
    checks.equal(
        describe(AutoScalingGroupNames=too_many, MaxRecords=100)["AutoScalingGroups"],
        [],
        "larger pages take more names",
    )
    paging_is_checked(checks, aws, describe, most=100)


def describe_lifecycle_hooks(checks, aws):
    def described(group=GROUP, **request):
        return aws.auto_scaling.describe_lifecycle_hooks(AutoScalingGroupName=group, **request)["LifecycleHooks"]

    (hook,) = described()
    expected = {
        "LifecycleHookName": HOOK,
        "AutoScalingGroupName": GROUP,
        "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
        "NotificationMetadata": '{"cluster":"prod"}',
        "HeartbeatTimeout": HEARTBEAT_TIMEOUT,
        "GlobalTimeout": min(LONGEST_WAIT, 100 * HEARTBEAT_TIMEOUT),
        "DefaultResult": "CONTINUE",
    }
    checks.equal(hook, expected, "the hook")
    checks.equal(described(LifecycleHookNames=[HOOK, "another"]), [hook], "the hook by its name")
    checks.equal(described(LifecycleHookNames=["another"]), [], "a hook there is not")
    checks.refused(aws.auto_scaling, "ValidationError", lambda: described(NO_GROUP), "AutoScalingGroup name not found")
    too_many = [f"hook-{number}" for number in range(MOST_NAMED + 1)]
    checks.equal(described(LifecycleHookNames=too_many[1:]), [], "as many names as one request takes")
    checks.refused(aws.auto_scaling, "ValidationError", lambda: described(LifecycleHookNames=too_many))


def describe_scaling_activities(checks, aws):
    describe = aws.auto_scaling.describe_scaling_activities
    for request in ({}, {"AutoScalingGroupName": GROUP}):
        checks.equal(describe(**request)["Activities"], [], "nothing was done yet")
    checks.refused(
        aws.auto_scaling, "ValidationError", lambda: describe(AutoScalingGroupName=NO_GROUP), "name not found"
    )
    for filters in (
        [{"Name": "Status", "Values": ["Successful"]}],
        [{"Name": "StartTimeLowerBound", "Values": ["yesterday"]}],
    ):
        checks.refused(aws.auto_scaling, "ValidationError", lambda filters=filters: describe(Filters=filters))
    paging_is_checked(checks, aws, describe, most=100)


def a_scaling_activity(checks, aws):
    """Of a host that Auto Scaling terminates, and a hook holds."""

    def described(**request):
        return aws.auto_scaling.describe_scaling_activities(AutoScalingGroupName=GROUP, **request)["Activities"]

    held = until(HELD_WITHIN, lambda: [it for it in described() if it["StatusCode"] == "MidTerminatingLifecycleAction"])
    checks.equal(len(held), 1, "a hook holds it")
    (activity,) = held
    checks.equal(set(activity), ACTIVITY, "what it has")
    checks.equal(activity["Description"], f"Terminating EC2 instance: {LEAVING}", "what is done")
    checks.equal((activity["AutoScalingGroupName"], activity["Progress"]), (GROUP, 60), "where, and how far it is")
    checks.that(activity["Cause"].endswith(f"instance {LEAVING} was selected for termination."), "why")
    checks.that("Availability Zone" in json.loads(activity["Details"]), "its details are JSON")
    for seconds, found in ((-1, [activity]), (1, [])):
        since = (activity["StartTime"] + timedelta(seconds=seconds)).isoformat()
        filters = [{"Name": "StartTimeLowerBound", "Values": [since]}]
        checks.equal(described(Filters=filters), found, "those that began since")
    aws.auto_scaling.complete_lifecycle_action(
        AutoScalingGroupName=GROUP, LifecycleHookName=HOOK, InstanceId=LEAVING, LifecycleActionResult="CONTINUE"
    )
    ended = until(HELD_WITHIN, lambda: [it for it in described() if it["StatusCode"] == "Successful"])
    checks.equal([set(it) for it in ended], [ACTIVITY | {"EndTime"}], "it ends well")


def describe_warm_pool(checks, aws):
    describe = aws.auto_scaling.describe_warm_pool
    answer = describe(AutoScalingGroupName=GROUP)
    checks.equal((answer["Instances"], answer.get("WarmPoolConfiguration")), ([], None), "the group has none")
    checks.refused(
        aws.auto_scaling, "ValidationError", lambda: describe(AutoScalingGroupName=NO_GROUP), "name not found"
    )
    paging_is_checked(checks, aws, lambda **request: describe(AutoScalingGroupName=GROUP, **request), most=50)


def complete_lifecycle_action(checks, aws):
    complete = aws.auto_scaling.complete_lifecycle_action
    refused_without_an_action(checks, aws, complete, LifecycleActionResult="CONTINUE")
    action = {"AutoScalingGroupName": GROUP, "LifecycleHookName": HOOK, "InstanceId": LEAVING}
    checks.refused(aws.auto_scaling, "ValidationError", lambda: complete(**action, LifecycleActionResult="PERHAPS"))


def record_lifecycle_action_heartbeat(checks, aws):
    refused_without_an_action(checks, aws, aws.auto_scaling.record_lifecycle_action_heartbeat)


def not_modelled(checks, aws):
    """What the simulator does not know it refuses; to ignore it would be a wrong answer."""
    client = aws.auto_scaling
    checks.refused(client, "InvalidAction", client.describe_policies)
    by_tag = [{"Name": "tag-key", "Values": ["no-such-tag"]}]
    checks.refused(client, "ValidationError", lambda: client.describe_auto_scaling_groups(Filters=by_tag))
    checks.refused(client, "ValidationError", lambda: client.describe_auto_scaling_groups(IncludeInstances=False))


GROUPS = {
    "DescribeAutoScalingInstances": describe_auto_scaling_instances,
    "DescribeAutoScalingGroups": describe_auto_scaling_groups,
    "DescribeLifecycleHooks": describe_lifecycle_hooks,
    "DescribeScalingActivities": describe_scaling_activities,
    "DescribeWarmPool": describe_warm_pool,
    "CompleteLifecycleAction": complete_lifecycle_action,
    "RecordLifecycleActionHeartbeat": record_lifecycle_action_heartbeat,
    "what Auto Scaling has and the simulator has not": not_modelled,
}


def refused_without_an_action(checks, aws, operation, **request):
    """Each way to name a lifecycle action that is not there."""

    def call(group=GROUP, **names):
        return operation(AutoScalingGroupName=group, LifecycleHookName=HOOK, **names, **request)

    token = str(uuid.UUID(int=0))
    none_with_id = f"No active Lifecycle Action found with instance ID {LEAVING}"
    none_with_token = f"No active Lifecycle Action found with token {token}"
    # The hosts are in service here. Recorded: a group that is gone is not said to be unknown.
    checks.refused(aws.auto_scaling, "ValidationError", lambda: call(InstanceId=LEAVING), none_with_id)
    checks.refused(aws.auto_scaling, "ValidationError", lambda: call(LifecycleActionToken=token), none_with_token)
    checks.refused(aws.auto_scaling, "ValidationError", call)
    checks.refused(aws.auto_scaling, "ValidationError", lambda: call(NO_GROUP, InstanceId=LEAVING), none_with_id)


def paging_is_checked(checks, aws, describe, most):
    for records in (0, most + 1):
        checks.refused(aws.auto_scaling, "ValidationError", lambda: describe(MaxRecords=records))
    checks.refused(aws.auto_scaling, "InvalidNextToken", lambda: describe(NextToken="nonsense"))
