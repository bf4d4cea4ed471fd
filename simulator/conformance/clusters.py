"""Clusters and capacity providers, as boto3 sees them."""

from clients import pages
from ecs import CLUSTER_ARN, MOST_DESCRIBED, NOWHERE, container_instance, made_up_ids
from served import ACCOUNT, CLUSTER, GROUP, HOOK, LEAVING, REGION

# Of `--managed-draining`: see scenario.rs.
PROVIDER = f"{GROUP}-provider"
PROVIDER_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:capacity-provider/{PROVIDER}"

# ECS developer guide, managed instance draining.
ECS_HOOK = "ecs-managed-draining-termination-hook"

# API reference, DescribeCapacityProviders: maxResults.
MOST_PROVIDERS = 10


def describe_clusters(checks, aws):
    def describe(*clusters):
        return aws.ecs.describe_clusters(clusters=list(clusters))

    answer = describe(CLUSTER)
    (cluster,) = answer["clusters"]
    checks.equal(answer["failures"], [], "no failures")
    expected = {
        "clusterArn": CLUSTER_ARN,
        "clusterName": CLUSTER,
        "status": "ACTIVE",
        "registeredContainerInstancesCount": 3,
        "runningTasksCount": 7,
        "pendingTasksCount": 0,
        "activeServicesCount": 2,
        "capacityProviders": [PROVIDER],
        "defaultCapacityProviderStrategy": [],
    }
    checks.equal({name: cluster.get(name) for name in expected}, expected, "what it has")
    checks.equal(describe(CLUSTER_ARN)["clusters"], [cluster], "an ARN does as well")
    host = container_instance(aws, LEAVING)
    aws.ecs.update_container_instances_state(cluster=CLUSTER, containerInstances=[host], status="DRAINING")
    (draining,) = describe(CLUSTER)["clusters"]
    checks.equal(draining["registeredContainerInstancesCount"], 3, "a DRAINING one counts")

    def missing(name):
        return {"arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{name}", "reason": "MISSING"}

    partly = describe(NOWHERE, CLUSTER)
    checks.equal([it["clusterName"] for it in partly["clusters"]], [CLUSTER], "what there is, is described")
    checks.equal(partly["failures"], [missing(NOWHERE)], "what there is not, is a failure")
    unnamed = aws.ecs.describe_clusters()
    checks.equal((unnamed["clusters"], unnamed["failures"]), ([], [missing("default")]), "none named is default")

    most = describe(*made_up_ids(MOST_DESCRIBED))
    checks.equal(len(most["failures"]), MOST_DESCRIBED, "as many as one request takes")
    checks.refused(aws.ecs, "InvalidParameterException", lambda: describe(*made_up_ids(MOST_DESCRIBED + 1)))
    checks.refused(aws.ecs, "InvalidParameterException", lambda: aws.ecs.describe_clusters(include=["TAGS"]))


def describe_capacity_providers(checks, aws):
    describe = aws.ecs.describe_capacity_providers
    answer = describe(capacityProviders=[PROVIDER])
    (provider,) = answer["capacityProviders"]
    checks.equal(answer["failures"], [], "no failures")
    (group,) = aws.auto_scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
    expected = {
        "capacityProviderArn": PROVIDER_ARN,
        "name": PROVIDER,
        "status": "ACTIVE",
        "autoScalingGroupProvider": {
            "autoScalingGroupArn": group["AutoScalingGroupARN"],
            "managedScaling": {"status": "DISABLED"},
            "managedTerminationProtection": "DISABLED",
            "managedDraining": "ENABLED",
        },
    }
    checks.equal({name: provider.get(name) for name in expected}, expected, "what it is")
    hooks = aws.auto_scaling.describe_lifecycle_hooks(AutoScalingGroupName=GROUP)["LifecycleHooks"]
    checks.equal({hook["LifecycleHookName"] for hook in hooks}, {HOOK, ECS_HOOK}, "its group has ECS's hook, too")
    transitions = {hook["LifecycleTransition"] for hook in hooks}
    checks.equal(transitions, {"autoscaling:EC2_INSTANCE_TERMINATING"}, "which is for terminations")

    checks.equal(describe(capacityProviders=[PROVIDER_ARN])["capacityProviders"], [provider], "an ARN does as well")
    checks.equal(describe()["capacityProviders"], [provider], "none named are all")
    checks.equal(len(pages(describe, "nextToken", maxResults=1)), 1, "pages of one")
    missing = describe(capacityProviders=["another"])
    checks.equal(
        (missing["capacityProviders"], missing["failures"]),
        ([], [{"arn": PROVIDER_ARN.replace(PROVIDER, "another"), "reason": "MISSING"}]),
        "what there is not, is a failure",
    )
    most = describe(capacityProviders=made_up_ids(MOST_DESCRIBED))
    checks.equal(len(most["failures"]), MOST_DESCRIBED, "as many as one request takes")
    for request in (
        {"capacityProviders": made_up_ids(MOST_DESCRIBED + 1)},
        {"maxResults": 0},
        {"maxResults": MOST_PROVIDERS + 1},
        {"nextToken": "nonsense"},
        {"include": ["TAGS"]},
        {"cluster": CLUSTER},
    ):
        checks.refused(aws.ecs, "InvalidParameterException", lambda: describe(**request))


GROUPS = {
    "DescribeClusters": describe_clusters,
    "DescribeCapacityProviders": describe_capacity_providers,
}
