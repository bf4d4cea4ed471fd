"""How moto differs from the simulator, and which of the two AWS's documentation bears out.

What is not in this table fails the check, and so does what is in it and has gone.
"""

from dataclasses import dataclass

ONLY_MOTO = "only moto has it"
ONLY_SIMULATOR = "only the simulator has it"


@dataclass(frozen=True)
class Difference:
    """`at` is a member of a structure, or the title of a case."""

    operations: tuple
    at: str
    what: str
    why: str


def answers_instead_of(code):
    """moto takes what the simulator refuses."""
    return f"moto: answered, simulator: {code}"


def only_moto(operations, structure, members, why):
    return [Difference(operations, f"{structure}.{member}", ONLY_MOTO, why) for member in members.split()]


def only_simulator(operations, structure, members, why):
    return [Difference(operations, f"{structure}.{member}", ONLY_SIMULATOR, why) for member in members.split()]


INSTANCES = ("DescribeContainerInstances", "UpdateContainerInstancesState")
TASKS = ("DescribeTasks", "StopTask")

# "API reference" is that of the service the operation belongs to.
NOT_MODELLED = "The simulator does not model it; API reference, {}: Required: No."

DIFFERENCES = [
    # ECS: what the descriptions hold.
    *only_simulator(
        INSTANCES,
        "ContainerInstance",
        "version attachments tags",
        "moto leaves it out; it is in the API reference, ContainerInstance.",
    ),
    *only_moto(
        INSTANCES,
        "ContainerInstance",
        "registeredResources[] remainingResources[]",
        NOT_MODELLED.format("ContainerInstance"),
    ),
    *only_moto(INSTANCES, "VersionInfo", "agentHash dockerVersion", NOT_MODELLED.format("VersionInfo")),
    *only_simulator(
        ("UpdateContainerInstancesState",),
        "Attribute",
        "name value",
        "moto's attributes are empty in this answer; API reference, Attribute: name is required.",
    ),
    *only_simulator(
        TASKS,
        "Task",
        "createdAt startedAt",
        "moto keeps no times; API reference, Task: when it was created, and when it went from PENDING to RUNNING.",
    ),
    *only_simulator(TASKS, "Task", "version", "moto leaves it out; it is in the API reference, Task."),
    *only_simulator(
        ("StopTask",),
        "Task",
        "stoppingAt stopCode",
        "moto leaves it out; API reference, Task: when it went from RUNNING to STOPPING, and why it was stopped.",
    ),
    *only_moto(TASKS, "Task", "containers[] overrides", NOT_MODELLED.format("Task")),
    *only_moto(
        ("DescribeTasks",),
        "Task",
        "stoppedReason",
        'moto has "" for a task that runs; API reference, Task: "The reason that the task was stopped."',
    ),
    *only_simulator(
        ("DescribeTasks",),
        "Task",
        "tags",
        "An empty list. API reference, DescribeTasks: without include, tags are not in the response; AWS CLI"
        ' reference, describe-tasks: "tags": [] in the example without it.',
    ),
    *only_simulator(
        ("DescribeTasks",),
        "DescribeTasksResponse",
        "failures[]",
        'moto is silent about tasks there are not; developer guide, "API failure reasons": MISSING.',
    ),
    *only_simulator(
        ("DescribeServices",),
        "Service",
        "deploymentConfiguration",
        "moto has only what was given; API reference, DeploymentConfiguration: both percents have defaults.",
    ),
    *only_moto(
        ("DescribeServices",),
        "Service",
        "deploymentController deployments[] networkConfiguration propagateTags taskDefinition taskSets",
        NOT_MODELLED.format("Service"),
    ),
    *only_simulator(
        ("DescribeServices",),
        "Service",
        "events[]",
        "moto's scheduler places nothing and tells nothing; API reference, Service: the latest events.",
    ),
    *only_moto(
        ("DescribeClusters",),
        "Cluster",
        "settings settings[]",
        "API reference, DescribeClusters: without include, the settings are not in the response.",
    ),
    *only_moto(
        ("DescribeCapacityProviders",),
        "ManagedScaling",
        "instanceWarmupPeriod maximumScalingStepSize minimumScalingStepSize targetCapacity",
        NOT_MODELLED.format("ManagedScaling"),
    ),
    # ECS: pages.
    *only_simulator(
        ("ListContainerInstances",), "ListContainerInstancesResponse", "nextToken", "moto ignores maxResults."
    ),
    *only_simulator(("ListTasks",), "ListTasksResponse", "nextToken", "moto ignores maxResults."),
    Difference(
        ("ListClusters",),
        "a page of none",
        answers_instead_of("InvalidParameterException"),
        'moto ignores maxResults; API reference: "This value can be between 1 and 100."',
    ),
    Difference(
        ("ListClusters",),
        "a token that is none",
        answers_instead_of("InvalidParameterException"),
        "moto ignores nextToken; API reference: it is one that an earlier ListClusters returned.",
    ),
    # ECS: what is refused.
    Difference(
        ("DescribeClusters",),
        "DescribeClustersResponse.failures[]",
        ONLY_SIMULATOR,
        'moto finds nothing where none is named; API reference: "the default cluster is assumed", and there is none.',
    ),
    Difference(
        ("DescribeClusters",),
        "too many",
        answers_instead_of("InvalidParameterException"),
        'moto takes any number; API reference: "A list of up to 100 cluster names".',
    ),
    Difference(
        ("DescribeCapacityProviders",),
        "too many",
        answers_instead_of("InvalidParameterException"),
        'moto takes any number; API reference: "Up to 100 capacity providers can be described in an action."',
    ),
    Difference(
        ("DescribeCapacityProviders",),
        "too large a page",
        "moto: raises TypeError, simulator: InvalidParameterException",
        'moto wants names; API reference: capacityProviders is not required, and maxResults "can be between 1 and 10".',
    ),
    Difference(
        ("ListContainerInstances",),
        "a filter that is none",
        answers_instead_of("InvalidParameterException"),
        "moto ignores the filter; API reference: it is a statement of the cluster query language.",
    ),
    Difference(
        ("ListContainerInstances",),
        "a status that is none",
        answers_instead_of("InvalidParameterException"),
        "moto finds nothing; API reference: the valid values of status.",
    ),
    Difference(
        ("ListContainerInstances",),
        "no such cluster",
        answers_instead_of("ClusterNotFoundException"),
        "moto finds nothing; API reference, ListContainerInstances: ClusterNotFoundException.",
    ),
    Difference(
        ("DescribeContainerInstances",),
        "none",
        "moto: ClientException, simulator: InvalidParameterException",
        'AWS says InvalidParameterException, "Container instance cannot be empty." (gchq/sleeper#3387).',
    ),
    Difference(
        ("DescribeContainerInstances",),
        "too many",
        answers_instead_of("InvalidParameterException"),
        'moto takes any number; API reference: "up to 100 container instance IDs".',
    ),
    Difference(
        ("UpdateContainerInstancesState",),
        "none",
        answers_instead_of("InvalidParameterException"),
        "moto does nothing; API reference: containerInstances is required.",
    ),
    Difference(
        ("UpdateContainerInstancesState",),
        "too many",
        answers_instead_of("InvalidParameterException"),
        'moto takes any number; API reference: "up to 10 container instance IDs".',
    ),
    Difference(
        ("ListTasks",),
        "a status that is none",
        answers_instead_of("InvalidParameterException"),
        "moto finds nothing; API reference: the valid values of desiredStatus.",
    ),
    Difference(
        ("DescribeTasks",),
        "one with its tags",
        answers_instead_of("InvalidParameterException"),
        "The simulator does not model tags, and refuses what it does not model.",
    ),
    Difference(
        ("DescribeTasks",),
        "too many",
        answers_instead_of("InvalidParameterException"),
        'moto takes any number; API reference: "up to 100 task IDs".',
    ),
    Difference(
        ("DescribeServices",),
        "none",
        answers_instead_of("InvalidParameterException"),
        "moto finds nothing; API reference: services is required.",
    ),
    Difference(
        ("DescribeServices",),
        "too many",
        answers_instead_of("InvalidParameterException"),
        'moto takes any number; API reference: "up to 10 services".',
    ),
    Difference(
        ("StopTask",),
        "one there is not",
        "moto: raises Exception, simulator: InvalidParameterException",
        "moto does not foresee it; API reference, StopTask: InvalidParameterException.",
    ),
    Difference(
        ("PutAttributes",),
        "without a target",
        answers_instead_of("InvalidParameterException"),
        "moto sets it on every instance; API reference, PutAttributes: it is for a resource, and targetId names which.",
    ),
    Difference(
        ("PutAttributes",),
        "a name that is none",
        answers_instead_of("InvalidParameterException"),
        "moto takes any name; API reference, Attribute: letters, numbers, and five others.",
    ),
    Difference(
        ("PutAttributes", "DeleteAttributes"),
        "none",
        answers_instead_of("InvalidParameterException"),
        "moto does nothing; API reference: attributes is required.",
    ),
    Difference(
        ("PutAttributes",),
        "too many",
        answers_instead_of("InvalidParameterException"),
        'moto takes any number; API reference: "up to 10 attributes in a single call".',
    ),
    Difference(
        ("PutAttributes",),
        "more than an instance takes",
        answers_instead_of("AttributeLimitExceededException"),
        'moto takes any number; API reference: "up to 10 custom attributes for each resource".',
    ),
    *(
        Difference(
            ("GetTaskProtection",),
            title,
            f"moto: raises NotImplementedError, simulator: {simulators}",
            "moto has no GetTaskProtection.",
        )
        for title, simulators in (
            ("one", "answered"),
            ("one there is not", "answered"),
            ("all", "answered"),
            ("too many", "InvalidParameterException"),
            ("no such cluster", "ClusterNotFoundException"),
        )
    ),
    # Auto Scaling: what the descriptions hold.
    *only_simulator(
        ("DescribeAutoScalingInstances",),
        "AutoScalingInstanceDetails",
        "AvailabilityZoneId",
        "moto leaves it out; real AWS has it.",
    ),
    *only_simulator(
        ("DescribeAutoScalingGroups",), "Instance", "AvailabilityZoneId", "moto leaves it out; real AWS has it."
    ),
    *only_simulator(
        ("DescribeAutoScalingGroups",),
        "AutoScalingGroup",
        "AvailabilityZoneDistribution AvailabilityZoneIds AvailabilityZoneIds[] CapacityReservationSpecification"
        " DefaultInstanceWarmup InstanceLifecyclePolicy TrafficSources VPCZoneIdentifier",
        "moto leaves it out; real AWS has it.",
    ),
    *only_moto(
        ("DescribeAutoScalingGroups",),
        "AutoScalingGroup",
        "CapacityRebalance",
        NOT_MODELLED.format("AutoScalingGroup"),
    ),
    *only_moto(
        ("DescribeLifecycleHooks",),
        "LifecycleHook",
        "NotificationTargetARN RoleARN",
        "moto makes them up; API reference, PutLifecycleHook: Required: No, and the hook has none.",
    ),
    *only_simulator(
        ("DescribeLifecycleHooks",),
        "LifecycleHook",
        "NotificationMetadata",
        "moto drops it; it is in the API reference, LifecycleHook.",
    ),
    # Auto Scaling: pages.
    *only_simulator(
        ("DescribeAutoScalingInstances",), "AutoScalingInstancesType", "NextToken", "moto ignores MaxRecords."
    ),
    Difference(
        ("DescribeAutoScalingInstances",),
        "a token that is none",
        answers_instead_of("InvalidNextToken"),
        "moto ignores NextToken; API reference, DescribeAutoScalingInstances: InvalidNextToken.",
    ),
    Difference(
        ("DescribeAutoScalingGroups",),
        "a token that is none",
        "moto: raises ValueError, simulator: InvalidNextToken",
        "moto does not foresee it; API reference, DescribeAutoScalingGroups: InvalidNextToken.",
    ),
    Difference(
        ("DescribeAutoScalingGroups",),
        "too large a page",
        "moto: raises ValueError, simulator: ValidationError",
        'moto does not foresee it; API reference: "the maximum value is 100"; Common Error Types: ValidationError.',
    ),
    # Auto Scaling: what is refused.
    Difference(
        ("DescribeAutoScalingInstances",),
        "too many",
        answers_instead_of("ValidationError"),
        'moto takes any number; API reference: "Maximum number of 50 items."',
    ),
    Difference(
        ("DescribeAutoScalingGroups",),
        "too many",
        answers_instead_of("ValidationError"),
        'moto takes any number; API reference: "By default, you can only specify up to 50 names."',
    ),
    *(
        Difference(("DescribeScalingActivities",), title, answers_instead_of(code), "moto has no scaling activities.")
        for title, code in (
            ("no such group", "ValidationError"),
            ("too large a page", "ValidationError"),
            ("a token that is none", "InvalidNextToken"),
        )
    ),
    Difference(
        ("DescribeWarmPool",),
        "no such group",
        "moto: raises IndexError, simulator: ValidationError",
        "moto does not foresee it; of AWS's errors it can only be one of Common Error Types: ValidationError.",
    ),
    Difference(
        ("DescribeWarmPool",),
        "too large a page",
        answers_instead_of("ValidationError"),
        'moto ignores MaxRecords; API reference: "The maximum value is 50."',
    ),
    Difference(
        ("DescribeLifecycleHooks",),
        "no such group",
        answers_instead_of("ValidationError"),
        "moto finds nothing. AWS documents no error of its own for it; terraform-provider-aws, findLifecycleHooks, "
        'knows ValidationError, "not found".',
    ),
    Difference(
        ("PutLifecycleHook",),
        "a new one without a transition",
        answers_instead_of("ValidationError"),
        'moto makes one up; API reference: LifecycleTransition is "required for new lifecycle hooks".',
    ),
    Difference(
        ("PutLifecycleHook",),
        "too short a timeout",
        answers_instead_of("ValidationError"),
        'moto takes any; API reference: "The range is from 30 to 7200 seconds."',
    ),
    Difference(
        ("PutLifecycleHook", "DeleteLifecycleHook"),
        "no such group",
        answers_instead_of("ValidationError"),
        "moto does not look; of AWS's errors it can only be one of Common Error Types: ValidationError.",
    ),
    Difference(
        ("DeleteLifecycleHook",),
        "one there is not",
        answers_instead_of("ValidationError"),
        "moto does nothing; of AWS's errors it can only be one of Common Error Types: ValidationError.",
    ),
    Difference(
        ("CompleteLifecycleAction", "RecordLifecycleActionHeartbeat"),
        "one there is not",
        "moto: raises NotImplementedError, simulator: ValidationError",
        "moto has no lifecycle actions.",
    ),
    # EventBridge.
    *only_moto(("DescribeRule",), "DescribeRuleResponse", "CreatedBy", NOT_MODELLED.format("DescribeRule")),
]
