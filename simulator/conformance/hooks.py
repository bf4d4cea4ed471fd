"""Lifecycle hooks that are put and deleted, as boto3 sees them."""

from auto_scaling import LONGEST_WAIT, NO_GROUP
from drain import GONE_WITHIN, lifecycle_state, until
from served import GROUP, HOOK

NEW = "another-hook"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"

# API reference, PutLifecycleHook.
SHORTEST, LONGEST, DEFAULT = 30, 7_200, 3_600
LONGEST_METADATA = 4_000
MOST_HOOKS = 50


def put_lifecycle_hook(checks, aws):
    def put(name=NEW, group=GROUP, **request):
        answer = aws.auto_scaling.put_lifecycle_hook(LifecycleHookName=name, AutoScalingGroupName=group, **request)
        checks.equal(set(answer), {"ResponseMetadata"}, "it is taken, and nothing said")

    def described():
        (hook,) = aws.auto_scaling.describe_lifecycle_hooks(AutoScalingGroupName=GROUP, LifecycleHookNames=[NEW])[
            "LifecycleHooks"
        ]
        return hook

    put(LifecycleTransition=TERMINATING)
    made = {
        "LifecycleHookName": NEW,
        "AutoScalingGroupName": GROUP,
        "LifecycleTransition": TERMINATING,
        "HeartbeatTimeout": DEFAULT,
        "GlobalTimeout": LONGEST_WAIT,
        "DefaultResult": "ABANDON",
    }
    checks.equal(described(), made, "a new hook has defaults")
    metadata = "m" * LONGEST_METADATA
    put(HeartbeatTimeout=SHORTEST, DefaultResult="CONTINUE", NotificationMetadata=metadata)
    updated = made | {
        "HeartbeatTimeout": SHORTEST,
        "GlobalTimeout": 100 * SHORTEST,
        "DefaultResult": "CONTINUE",
        "NotificationMetadata": metadata,
    }
    checks.equal(described(), updated, "what an update names is changed")
    put(HeartbeatTimeout=LONGEST, LifecycleTransition=LAUNCHING)
    wait = {"HeartbeatTimeout": LONGEST, "GlobalTimeout": LONGEST_WAIT, "LifecycleTransition": LAUNCHING}
    checks.equal(described(), updated | wait, "what it leaves out is kept")

    client = aws.auto_scaling
    checks.refused(client, "ValidationError", lambda: put("yet-another"), "LifecycleTransition")
    checks.refused(client, "ValidationError", lambda: put(group=NO_GROUP, LifecycleTransition=TERMINATING), "not found")
    for request in (
        {"HeartbeatTimeout": SHORTEST - 1},
        {"HeartbeatTimeout": LONGEST + 1},
        {"DefaultResult": "PERHAPS"},
        {"LifecycleTransition": "autoscaling:TEST_NOTIFICATION"},
        {"NotificationMetadata": "m" * (LONGEST_METADATA + 1)},
        {"NotificationMetadata": "\u00e9"},
        {"NotificationTargetARN": "arn:aws:sqs:us-west-2:123456789012:queue"},
    ):
        checks.refused(client, "ValidationError", lambda: put(**request))
    for name in ("a b", "n" * 256):
        checks.refused(client, "ValidationError", lambda: put(name, LifecycleTransition=TERMINATING))
    checks.equal(described(), updated | wait, "what is refused changes nothing")
    # Two are there already.
    for number in range(MOST_HOOKS - 2):
        put(f"hook-{number}", LifecycleTransition=TERMINATING)
    checks.refused(client, "LimitExceeded", lambda: put("one-more", LifecycleTransition=TERMINATING))


def delete_lifecycle_hook(checks, aws):
    def delete(name=HOOK, group=GROUP):
        return aws.auto_scaling.delete_lifecycle_hook(LifecycleHookName=name, AutoScalingGroupName=group)

    waits = until(GONE_WITHIN, lambda: lifecycle_state(aws) == "Terminating:Wait")
    checks.that(waits, "it waits on its hook")
    checks.refused(aws.auto_scaling, "ValidationError", lambda: delete("another"))
    checks.refused(aws.auto_scaling, "ValidationError", lambda: delete(group=NO_GROUP), "not found")
    checks.equal(set(delete()), {"ResponseMetadata"}, "it is deleted, and nothing said")
    hooks = aws.auto_scaling.describe_lifecycle_hooks(AutoScalingGroupName=GROUP)["LifecycleHooks"]
    checks.equal(hooks, [], "it is gone")
    checks.that(until(GONE_WITHIN, lambda: lifecycle_state(aws) is None), "who waited on it goes on")
    checks.refused(aws.auto_scaling, "ValidationError", delete)
