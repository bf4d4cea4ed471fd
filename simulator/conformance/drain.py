"""One host drained from beginning to end, with nothing but what AWS's API tells."""

import time

from ecs import JOB, container_instance
from served import CLUSTER, GROUP, HOOK, LEAVING

# From the scenario: its slowest task takes 3.5 s to go.
DRAINED_WITHIN = 15
GONE_WITHIN = 5
LOOK_EVERY = 0.2

TO_THE_END = ["RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]


def drain(checks, aws):
    ecs, auto_scaling = aws.ecs, aws.auto_scaling
    action = {"AutoScalingGroupName": GROUP, "LifecycleHookName": HOOK, "InstanceId": LEAVING}
    waits = until(GONE_WITHIN, lambda: lifecycle_state(aws) == "Terminating:Wait")
    checks.that(waits, "it waits on its hook")
    checks.equal(state_in_group(aws), "Terminating:Wait", "its group says the same")

    instance = container_instance(aws, LEAVING)
    before = tasks_on(aws, instance)
    checks.equal({task["lastStatus"] for task in before}, {"RUNNING"}, "its tasks run")
    checks.equal(len(before), 3, "its tasks")
    ecs.update_container_instances_state(cluster=CLUSTER, containerInstances=[instance], status="DRAINING")
    checks.equal(describe(aws, instance)["status"], "DRAINING", "it drains")

    # Draining leaves alone what no service owns.
    job = next(task for task in before if task["group"] == f"family:{JOB}")
    stopping = ecs.stop_task(cluster=CLUSTER, task=job["taskArn"])["task"]
    checks.equal(stopping["desiredStatus"], "STOPPED", "the job is to stop")
    answer = auto_scaling.record_lifecycle_action_heartbeat(**action)
    checks.equal(set(answer), {"ResponseMetadata"}, "a heartbeat is taken, and nothing said")

    seen = {task["taskArn"]: [] for task in before}
    counted_none_early = False

    def drained():
        nonlocal counted_none_early
        # The counts first: what stops in between would look like a count that is too low.
        counts = describe(aws, instance)
        now = tasks_on(aws, instance)
        for task in now:
            statuses = seen.setdefault(task["taskArn"], [])
            if task["lastStatus"] not in statuses[-1:]:
                statuses.append(task["lastStatus"])
        stopped = all(task["lastStatus"] == "STOPPED" for task in now)
        if counts["runningTasksCount"] == 0 and not stopped:
            counted_none_early = True
        return stopped

    checks.that(until(DRAINED_WITHIN, drained), f"every task stops: {seen}")
    checks.that(counted_none_early, "counts are of desired states: 0 before the last task had stopped")
    checks.equal(set(seen), {task["taskArn"] for task in before}, "no task was placed on it")
    for statuses in seen.values():
        checks.equal(statuses, [status for status in TO_THE_END if status in statuses], "each went the documented way")
    versions = {task["taskArn"]: task.get("version") for task in before}
    for task in tasks_on(aws, instance):
        # API reference, Task: incremented with every change that makes an event.
        counted = versions.get(task["taskArn"])
        checks.that(counted is None or task["version"] > counted, "its version counts its changes")
        order = [task["createdAt"], task["startedAt"], task["stoppingAt"], task["stoppedAt"]]
        checks.equal(order, sorted(order), "created, started, stopping, stopped")
        code = "UserInitiated" if task["taskArn"] == job["taskArn"] else "ServiceSchedulerInitiated"
        checks.equal((task["stopCode"], task["desiredStatus"]), (code, "STOPPED"), "who stopped it")
        checks.that(task["stoppedReason"], "it says why")
    checks.equal(describe(aws, instance)["status"], "DRAINING", "it stays so when it is empty")
    checks.equal(lifecycle_state(aws), "Terminating:Wait", "it still waits")

    answer = auto_scaling.complete_lifecycle_action(**action, LifecycleActionResult="CONTINUE")
    checks.equal(set(answer), {"ResponseMetadata"}, "a completion is taken, and nothing said")
    checks.equal(lifecycle_state(aws), "Terminating:Proceed", "it goes on")
    over = f"No active Lifecycle Action found with instance ID {LEAVING}"
    for call in (
        lambda: auto_scaling.complete_lifecycle_action(**action, LifecycleActionResult="CONTINUE"),
        lambda: auto_scaling.record_lifecycle_action_heartbeat(**action),
    ):
        checks.refused(auto_scaling, "ValidationError", call, over)

    checks.that(until(GONE_WITHIN, lambda: lifecycle_state(aws) is None), "it is gone")
    checks.equal(state_in_group(aws), None, "its group has it no more")
    gone = describe(aws, instance)
    checks.equal(
        (gone["status"], gone["agentConnected"], gone["runningTasksCount"]),
        ("INACTIVE", False, 0),
        "what ECS still tells",
    )
    listed = ecs.list_container_instances(cluster=CLUSTER)["containerInstanceArns"]
    checks.that(instance not in listed, "it is listed no more")
    failures = ecs.update_container_instances_state(cluster=CLUSTER, containerInstances=[instance], status="DRAINING")[
        "failures"
    ]
    checks.equal(failures, [{"arn": instance, "reason": "INACTIVE"}], "it drains no more")
    attribute = {"name": "late", "targetId": instance}
    checks.refused(ecs, "TargetNotFoundException", lambda: ecs.put_attributes(cluster=CLUSTER, attributes=[attribute]))


def until(seconds, holds):
    """Whether it comes to hold in that time."""
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
    return held


def lifecycle_state(aws):
    found = aws.auto_scaling.describe_auto_scaling_instances(InstanceIds=[LEAVING])["AutoScalingInstances"]
    return found[0]["LifecycleState"] if found else None


def state_in_group(aws):
    (group,) = aws.auto_scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
    return next((it["LifecycleState"] for it in group["Instances"] if it["InstanceId"] == LEAVING), None)


def describe(aws, instance):
    (described,) = aws.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=[instance])[
        "containerInstances"
    ]
    return described


def tasks_on(aws, instance):
    """Every task of a container instance, whatever it is to become."""
    arns = set()
    for desired in ("RUNNING", "STOPPED"):
        arns |= set(aws.ecs.list_tasks(cluster=CLUSTER, containerInstance=instance, desiredStatus=desired)["taskArns"])
    return aws.ecs.describe_tasks(cluster=CLUSTER, tasks=sorted(arns))["tasks"]
