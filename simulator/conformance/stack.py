"""The deployed stack, as CloudFormation, EventBridge and IAM tell of it to boto3."""

import json
from datetime import datetime, timezone

from clients import pages
from ecs import CLUSTER_ARN
from served import ACCOUNT, CLUSTER, HOOK, REGION, STACK

NO_STACK = "no-such-stack"
NO_RULE = "no-such-rule"

# Of template.yaml: a rule, its queue, where undelivered events go, and what SAM makes of a schedule and of a queue.
RULE, QUEUE, UNDELIVERED = "TerminationRule", "TerminationQueue", "UndeliveredEvents"
FUNCTION, SCHEDULE = "ReconcileFunction", "ReconcileFunctionEveryMinute"
ROLE = "ReconcileRole"
GENERATED = {
    "InstanceTerminatingFunctionTerminations": "AWS::Lambda::EventSourceMapping",
    "SpotInterruptionFunctionInterruptions": "AWS::Lambda::EventSourceMapping",
    FUNCTION: "AWS::Lambda::Function",
    f"{FUNCTION}EventInvokeConfig": "AWS::Lambda::EventInvokeConfig",
    SCHEDULE: "AWS::Events::Rule",
    f"{SCHEDULE}Permission": "AWS::Lambda::Permission",
}

TASK = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{CLUSTER}/{1:032x}"

# API reference, SimulatePrincipalPolicy: MaxItems "defaults to 100".
MOST_ACTIONS = 100


def describe_stacks(checks, aws):
    describe = aws.cloudformation.describe_stacks
    (stack,) = describe(StackName=STACK)["Stacks"]
    checks.equal((stack["StackName"], stack["StackStatus"]), (STACK, "CREATE_COMPLETE"), "the stack")
    checks.that(stack["StackId"].startswith(f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/"), "its id")
    age = datetime.now(timezone.utc) - stack["CreationTime"]
    checks.that(0 <= age.total_seconds() < 3600, "it was made just now")
    parameters = {it["ParameterKey"]: it["ParameterValue"] for it in stack["Parameters"]}
    checks.equal(
        {name: parameters.get(name) for name in ("LifecycleHookNames", "DrainTimeoutSeconds", "EcsClusters")},
        {"LifecycleHookNames": HOOK, "DrainTimeoutSeconds": "3600", "EcsClusters": ""},
        "parameters have their defaults, as text",
    )
    checks.equal(describe(StackName=stack["StackId"])["Stacks"], [stack], "its id does as well")
    checks.equal(describe()["Stacks"], [stack], "none named are all")
    client = aws.cloudformation
    checks.refused(
        client, "ValidationError", lambda: describe(StackName=NO_STACK), f"Stack with id {NO_STACK} does not exist"
    )
    checks.refused(client, "ValidationError", lambda: describe(NextToken="token"))
    checks.refused(client, "InvalidAction", client.list_stacks)


def list_stack_resources(checks, aws):
    listed = pages(aws.cloudformation.list_stack_resources, "NextToken", StackName=STACK)
    resources = {it["LogicalResourceId"]: it for page in listed for it in page["StackResourceSummaries"]}
    checks.equal({it["ResourceStatus"] for it in resources.values()}, {"CREATE_COMPLETE"}, "all are there")
    checks.equal(len({it["PhysicalResourceId"] for it in resources.values()}), len(resources), "each has its own id")
    types = {name: resources[name]["ResourceType"] if name in resources else None for name in GENERATED}
    checks.equal(types, GENERATED, "what SAM generates")
    serverless = [it for it in resources.values() if it["ResourceType"].startswith("AWS::Serverless")]
    checks.equal(serverless, [], "nothing that only SAM knows")
    for name, begins in (
        (QUEUE, f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{STACK}-{QUEUE}-"),
        (RULE, f"{STACK}-{RULE}-"),
        (FUNCTION, f"{STACK}-{FUNCTION}-"),
        ("EcsDraining", f"arn:aws:iam::{ACCOUNT}:policy/{STACK}-EcsDraining-"),
    ):
        checks.that(resources[name]["PhysicalResourceId"].startswith(begins), f"the physical id of {name}")
    checks.that("Hook" not in resources, "nothing whose condition does not hold")
    client = aws.cloudformation
    for request, says in (
        ({"StackName": NO_STACK}, f"Stack with id {NO_STACK} does not exist"),
        ({"StackName": STACK, "NextToken": "nonsense"}, ""),
    ):
        checks.refused(client, "ValidationError", lambda: client.list_stack_resources(**request), says)


def describe_rule(checks, aws):
    names = physical_ids(aws)
    rule = aws.events.describe_rule(Name=names[RULE])
    checks.equal((rule["Name"], rule["State"], rule["EventBusName"]), (names[RULE], "ENABLED", "default"), "the rule")
    checks.equal(rule["Arn"], f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{names[RULE]}", "its ARN")
    pattern = {
        "source": ["aws.autoscaling"],
        "detail-type": ["EC2 Instance-terminate Lifecycle Action"],
        "detail": {"LifecycleHookName": [HOOK]},
    }
    checks.equal(json.loads(rule["EventPattern"]), pattern, "its pattern")
    checks.that(rule["Description"] and "ScheduleExpression" not in rule, "a description and no schedule")
    schedule = aws.events.describe_rule(Name=names[SCHEDULE], EventBusName="default")
    checks.equal(schedule["ScheduleExpression"], "rate(1 minute)", "the schedule")
    checks.that("EventPattern" not in schedule, "which has no pattern")
    refused_without_a_rule(checks, aws, aws.events.describe_rule, "Name", names[RULE])
    checks.refused(aws.events, "UnknownOperationException", aws.events.list_rules)


def list_targets_by_rule(checks, aws):
    names = physical_ids(aws)
    queue, undelivered = (
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:{names[name].rpartition('/')[2]}" for name in (QUEUE, UNDELIVERED)
    )
    targets = aws.events.list_targets_by_rule(Rule=names[RULE])["Targets"]
    retries = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 3600}
    expected = {"Id": "queue", "Arn": queue, "RetryPolicy": retries, "DeadLetterConfig": {"Arn": undelivered}}
    checks.equal(targets, [expected], "the rule's queue")
    (function,) = aws.events.list_targets_by_rule(Rule=names[SCHEDULE])["Targets"]
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{names[FUNCTION]}"
    checks.equal(function["Arn"], arn, "the schedule's function")
    refused_without_a_rule(checks, aws, aws.events.list_targets_by_rule, "Rule", names[RULE])
    checks.refused(
        aws.events, "ValidationException", lambda: aws.events.list_targets_by_rule(Rule=names[RULE], Limit=1)
    )


def simulate_principal_policy(checks, aws):
    role = f"arn:aws:iam::{ACCOUNT}:role/{physical_ids(aws)[ROLE]}"
    in_cluster = [{"ContextKeyName": "ecs:cluster", "ContextKeyValues": [CLUSTER_ARN], "ContextKeyType": "string"}]

    def simulate(*actions, source=role, **request):
        answer = aws.iam.simulate_principal_policy(PolicySourceArn=source, ActionNames=list(actions), **request)
        checks.that(not answer["IsTruncated"], "all on one page")
        return answer["EvaluationResults"]

    results = simulate("ecs:ListClusters", "ecs:RunTask")
    told = {it["EvalActionName"]: it["EvalDecision"] for it in results}
    checks.equal(told, {"ecs:ListClusters": "allowed", "ecs:RunTask": "implicitDeny"}, "each action, on anything")
    checks.that(all("ResourceSpecificResults" not in it for it in results), "with no resource of its own")
    checks.equal(simulate("ecs:ListClusters", ResourceArns=["*"]), results[:1], "as if it had been asked about *")

    (stopping,) = simulate("ecs:StopTask", ResourceArns=[TASK, CLUSTER_ARN], ContextEntries=in_cluster)
    by_resource = {it["EvalResourceName"]: it["EvalResourceDecision"] for it in stopping["ResourceSpecificResults"]}
    checks.equal(by_resource, {TASK: "allowed", CLUSTER_ARN: "implicitDeny"}, "each resource by itself")
    (alone,) = simulate("ecs:StopTask", ResourceArns=[TASK])
    checks.equal(alone["EvalDecision"], "implicitDeny", "without the key that a condition needs")

    no_role = f"arn:aws:iam::{ACCOUNT}:role/no-such-role"
    checks.refused(aws.iam, "NoSuchEntity", lambda: simulate("ecs:StopTask", source=no_role), status=404)
    checks.refused(aws.iam, "InvalidInput", lambda: simulate("StopTask"))
    actions = [f"ecs:Action{number}" for number in range(MOST_ACTIONS + 1)]
    checks.equal(len(simulate(*actions[1:])), MOST_ACTIONS, "as many as one page holds")
    checks.refused(aws.iam, "InvalidInput", lambda: simulate(*actions))
    several = [in_cluster[0] | {"ContextKeyValues": [CLUSTER_ARN, "another"], "ContextKeyType": "stringList"}]
    checks.refused(aws.iam, "InvalidInput", lambda: simulate("ecs:StopTask", ContextEntries=several))
    for request in ({"MaxItems": 1}, {"CallerArn": role}):
        checks.refused(aws.iam, "ValidationError", lambda: simulate("ecs:StopTask", **request))
    checks.refused(aws.iam, "InvalidAction", aws.iam.list_roles)


GROUPS = {
    "DescribeStacks": describe_stacks,
    "ListStackResources": list_stack_resources,
    "DescribeRule": describe_rule,
    "ListTargetsByRule": list_targets_by_rule,
    "SimulatePrincipalPolicy": simulate_principal_policy,
}


def physical_ids(aws):
    """Of each resource, by its name in the template."""
    listed = pages(aws.cloudformation.list_stack_resources, "NextToken", StackName=STACK)
    resources = [it for page in listed for it in page["StackResourceSummaries"]]
    return {it["LogicalResourceId"]: it["PhysicalResourceId"] for it in resources}


def refused_without_a_rule(checks, aws, operation, parameter, name):
    for request in ({parameter: NO_RULE}, {parameter: name, "EventBusName": "another"}):
        checks.refused(aws.events, "ResourceNotFoundException", lambda: operation(**request), "does not exist")
