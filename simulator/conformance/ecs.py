"""Every ECS operation of the simulator, as boto3 sees it."""

import time
from datetime import datetime, timezone

from clients import pages
from served import ACCOUNT, CLUSTER, DAEMON, JOB, LEAVING, REGION, SERVICE, STAYING

NOWHERE = "no-such-cluster"
CLUSTER_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"

# The model requires no member of them; clients count on these.
CONTAINER_INSTANCE = {
    "containerInstanceArn",
    "ec2InstanceId",
    "version",
    "status",
    "agentConnected",
    "runningTasksCount",
    "pendingTasksCount",
    "attributes",
    "registeredAt",
}
TASK = {
    "taskArn",
    "clusterArn",
    "containerInstanceArn",
    "taskDefinitionArn",
    "group",
    "lastStatus",
    "desiredStatus",
    "launchType",
    "createdAt",
    "startedAt",
}

SERVICE_MEMBERS = {
    "serviceArn",
    "serviceName",
    "clusterArn",
    "status",
    "schedulingStrategy",
    "desiredCount",
    "runningCount",
    "pendingCount",
    "deploymentConfiguration",
    "events",
}

# The scheduler looks 0.25 s after the world began.
TOLD_WITHIN = 5

# AWS's documented limits of one request.
MOST_UPDATED = 10
MOST_DESCRIBED = 100
MOST_SERVICES = 10
MOST_ATTRIBUTES = 10


def list_clusters(checks, aws):
    listed = aws.ecs.list_clusters()
    checks.equal(listed["clusterArns"], [CLUSTER_ARN], "the clusters")
    checks.that("nextToken" not in listed, "the last page has no token")
    checks.equal(len(pages(aws.ecs.list_clusters, "nextToken", maxResults=1)), 1, "pages of one cluster")
    paging_is_checked(checks, aws, aws.ecs.list_clusters)


def list_container_instances(checks, aws):
    every = aws.ecs.list_container_instances(cluster=CLUSTER)["containerInstanceArns"]
    checks.equal(len(every), 3, "the container instances")
    checks.that(all(f":container-instance/{CLUSTER}/" in arn for arn in every), "each ARN names the cluster")
    by_arn = aws.ecs.list_container_instances(cluster=CLUSTER_ARN)["containerInstanceArns"]
    checks.equal(by_arn, every, "the cluster is named by its ARN, too")

    one_by_one = pages(aws.ecs.list_container_instances, "nextToken", cluster=CLUSTER, maxResults=1)
    checks.equal([len(page["containerInstanceArns"]) for page in one_by_one], [1, 1, 1], "pages of one")
    checks.equal([arn for page in one_by_one for arn in page["containerInstanceArns"]], every, "what the pages hold")
    paginator = aws.ecs.get_paginator("list_container_instances").paginate(
        cluster=CLUSTER, PaginationConfig={"PageSize": 2}
    )
    checks.equal(paginator.build_full_result()["containerInstanceArns"], every, "what boto3's paginator finds")

    def found(**request):
        return aws.ecs.list_container_instances(cluster=CLUSTER, **request)["containerInstanceArns"]

    leaving = found(filter=f"ec2InstanceId in ['{LEAVING}']")
    checks.equal(len(leaving), 1, "found by instance id")
    checks.equal(found(filter=f"ec2InstanceId == {LEAVING}"), leaving, "found by the other operator")
    checks.equal(len(found(filter=f"ec2InstanceId in ['{STAYING[0]}', '{STAYING[1]}']")), 2, "found by two ids")
    checks.equal(found(filter="ec2InstanceId in ['i-00000000000000000']"), [], "found by an id there is not")
    checks.equal(found(status="ACTIVE"), every, "the active ones")
    checks.equal(found(status="DRAINING"), [], "the draining ones")

    checks.refused(aws.ecs, "InvalidParameterException", lambda: found(status="GONE"))
    checks.refused(aws.ecs, "InvalidParameterException", lambda: found(filter="nonsense"))
    refused_in_no_cluster(checks, aws, aws.ecs.list_container_instances)
    paging_is_checked(checks, aws, aws.ecs.list_container_instances, cluster=CLUSTER)


def describe_container_instances(checks, aws):
    arns = container_instances(aws)
    answer = aws.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=arns)
    described = {instance["containerInstanceArn"]: instance for instance in answer["containerInstances"]}
    checks.equal((set(described), answer["failures"]), (set(arns), []), "everything asked for")
    checks.equal({it["ec2InstanceId"] for it in described.values()}, {LEAVING, *STAYING}, "the hosts")
    for arn, instance in described.items():
        checks.equal(CONTAINER_INSTANCE - instance.keys(), set(), "no member is missing")
        checks.equal((instance["status"], instance["agentConnected"]), ("ACTIVE", True), "an active host")
        running = aws.ecs.list_tasks(cluster=CLUSTER, containerInstance=arn)["taskArns"]
        checks.equal((instance["runningTasksCount"], instance["pendingTasksCount"]), (len(running), 0), "the counts")
        age = datetime.now(timezone.utc) - instance["registeredAt"]
        checks.that(0 < age.total_seconds() < 86_400, "registered in the last day")
        checks.that(
            all("value" in it and "targetId" not in it for it in instance["attributes"]),
            "attributes are names and values",
        )

    bare = arns[0].rpartition("/")[2]
    by_id = aws.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=[bare])
    checks.equal(by_id["containerInstances"][0]["containerInstanceArn"], arns[0], "a bare id does as well")

    partly = aws.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=[arns[0], missing(arns[0])])
    checks.equal(len(partly["containerInstances"]), 1, "what there is, is described")
    checks.equal(
        partly["failures"], [{"arn": missing(arns[0]), "reason": "MISSING"}], "what there is not, is a failure"
    )

    def describe(instances, cluster=CLUSTER):
        return aws.ecs.describe_container_instances(cluster=cluster, containerInstances=instances)

    checks.refused(aws.ecs, "InvalidParameterException", lambda: describe([]), "cannot be empty")
    checks.refused(aws.ecs, "InvalidParameterException", lambda: describe(made_up_ids(MOST_DESCRIBED + 1)))
    checks.equal(len(describe(made_up_ids(MOST_DESCRIBED))["failures"]), MOST_DESCRIBED, "as many as one request takes")
    elsewhere = arns[0].replace(f"/{CLUSTER}/", "/another/")
    checks.refused(aws.ecs, "InvalidParameterException", lambda: describe([elsewhere]), "Identifier is for cluster")
    refused_in_no_cluster(checks, aws, aws.ecs.describe_container_instances, containerInstances=[bare])


def update_container_instances_state(checks, aws):
    arn = container_instance(aws, STAYING[0])

    def update(instances, status="DRAINING"):
        return aws.ecs.update_container_instances_state(cluster=CLUSTER, containerInstances=instances, status=status)

    for status in ("DRAINING", "DRAINING", "ACTIVE"):
        answer = update([arn], status)
        checks.equal([it["status"] for it in answer["containerInstances"]], [status], "the new status is in the answer")
        checks.equal(answer["failures"], [], "no failures")
        checks.equal(
            aws.ecs.list_container_instances(cluster=CLUSTER, status=status)["containerInstanceArns"].count(arn),
            1,
            "it is listed so",
        )
        checks.equal(CONTAINER_INSTANCE - answer["containerInstances"][0].keys(), set(), "no member is missing")

    partly = update([missing(arn), arn], "ACTIVE")
    checks.equal(
        [it["containerInstanceArn"] for it in partly["containerInstances"]], [arn], "what there is, is updated"
    )
    checks.equal(partly["failures"], [{"arn": missing(arn), "reason": "MISSING"}], "what there is not, is a failure")

    most = update(made_up_ids(MOST_UPDATED))
    checks.equal(len(most["failures"]), MOST_UPDATED, "as many as one request takes")
    too_many = made_up_ids(MOST_UPDATED + 1)
    checks.refused(
        aws.ecs, "InvalidParameterException", lambda: update(too_many), "instanceIds can have at most 10 items."
    )
    checks.refused(aws.ecs, "InvalidParameterException", lambda: update([]))
    for status in ("REGISTERING", "INACTIVE", "drained"):
        checks.refused(aws.ecs, "InvalidParameterException", lambda: update([arn], status))
    refused_in_no_cluster(
        checks, aws, aws.ecs.update_container_instances_state, containerInstances=[arn], status="DRAINING"
    )


def list_tasks(checks, aws):
    def listed(**request):
        return aws.ecs.list_tasks(cluster=CLUSTER, **request)["taskArns"]

    every = listed()
    # Two services on three hosts, and the job.
    checks.equal(len(every), 7, "the tasks")
    checks.that(all(f":task/{CLUSTER}/" in arn for arn in every), "each ARN names the cluster")
    checks.equal(listed(desiredStatus="RUNNING"), every, "RUNNING is the default")
    checks.equal(listed(desiredStatus="STOPPED"), [], "none has stopped")
    checks.equal(listed(desiredStatus="PENDING"), [], "none is ever listed as PENDING")

    instances = container_instances(aws)
    by_instance = [listed(containerInstance=arn) for arn in instances]
    checks.equal(sorted(arn for tasks in by_instance for arn in tasks), sorted(every), "each is on one host")
    bare = instances[0].rpartition("/")[2]
    checks.equal(listed(containerInstance=bare), by_instance[0], "a bare id does as well")

    one_by_one = pages(aws.ecs.list_tasks, "nextToken", cluster=CLUSTER, maxResults=1)
    checks.equal([page["taskArns"] for page in one_by_one], [[arn] for arn in every], "pages of one")
    paginator = aws.ecs.get_paginator("list_tasks").paginate(cluster=CLUSTER, PaginationConfig={"PageSize": 3})
    checks.equal(paginator.build_full_result()["taskArns"], every, "what boto3's paginator finds")

    foreign = aws.ecs.list_tasks(cluster=CLUSTER, maxResults=1)["nextToken"]
    checks.refused(aws.ecs, "InvalidParameterException", lambda: listed(desiredStatus="STOPPED", nextToken=foreign))
    checks.refused(aws.ecs, "InvalidParameterException", lambda: listed(desiredStatus="SLEEPING"))
    refused_in_no_cluster(checks, aws, aws.ecs.list_tasks)
    paging_is_checked(checks, aws, aws.ecs.list_tasks, cluster=CLUSTER)


def describe_tasks(checks, aws):
    arns = aws.ecs.list_tasks(cluster=CLUSTER)["taskArns"]
    answer = aws.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)
    checks.equal(
        ([task["taskArn"] for task in answer["tasks"]], answer["failures"]), (arns, []), "everything asked for"
    )
    instances = container_instances(aws)
    for task in answer["tasks"]:
        checks.equal(TASK - task.keys(), set(), "no member is missing")
        checks.equal(
            (task["lastStatus"], task["desiredStatus"], task["launchType"]),
            ("RUNNING", "RUNNING", "EC2"),
            "a running task",
        )
        checks.equal(
            task.keys() & {"stoppingAt", "stoppedAt", "stopCode", "stoppedReason"}, set(), "it has not stopped"
        )
        checks.that(task["createdAt"] <= task["startedAt"] <= datetime.now(timezone.utc), "it was started, then ran")
        checks.that(task["containerInstanceArn"] in instances, "it is on a host")
        checks.equal(task["clusterArn"], CLUSTER_ARN, "its cluster")
        of_service = task["group"] in (f"service:{SERVICE}", f"service:{DAEMON}")
        checks.that(of_service or task["group"] == f"family:{JOB}", f"a group {task['group']}")
        checks.equal(task.get("startedBy", "").startswith("ecs-svc/"), of_service, "services start what is theirs")

    bare = arns[0].rpartition("/")[2]
    partly = aws.ecs.describe_tasks(cluster=CLUSTER, tasks=[bare, missing(arns[0])])
    checks.equal([task["taskArn"] for task in partly["tasks"]], arns[:1], "what there is, is described")
    checks.equal(
        partly["failures"], [{"arn": missing(arns[0]), "reason": "MISSING"}], "what there is not, is a failure"
    )

    def describe(tasks):
        return aws.ecs.describe_tasks(cluster=CLUSTER, tasks=tasks)

    checks.refused(aws.ecs, "InvalidParameterException", lambda: describe([]), "Tasks cannot be empty.")
    checks.refused(aws.ecs, "InvalidParameterException", lambda: describe(made_up_ids(MOST_DESCRIBED + 1)))
    checks.equal(len(describe(made_up_ids(MOST_DESCRIBED))["failures"]), MOST_DESCRIBED, "as many as one request takes")
    refused_in_no_cluster(checks, aws, aws.ecs.describe_tasks, tasks=[bare])


def get_task_protection(checks, aws):
    arns = aws.ecs.list_tasks(cluster=CLUSTER)["taskArns"]
    groups = {it["taskArn"]: it["group"] for it in aws.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]}
    (job,) = (arn for arn in arns if groups[arn] == f"family:{JOB}")
    of_services = [arn for arn in arns if arn != job]

    def protection(tasks, cluster=CLUSTER):
        return aws.ecs.get_task_protection(cluster=cluster, tasks=tasks)

    answer = protection(arns)
    # The scenario's services do not protect theirs.
    unprotected = [{"taskArn": arn, "protectionEnabled": False} for arn in of_services]
    checks.equal(answer["protectedTasks"], unprotected, "the tasks of services, without an expiration date")
    checks.equal(answer["failures"], [{"arn": job, "reason": "TASK_NOT_VALID"}], "no service owns the job")
    bare = of_services[0].rpartition("/")[2]
    partly = protection([bare, missing(job)], CLUSTER_ARN)
    checks.equal(partly["protectedTasks"], unprotected[:1], "a bare id does as well")
    checks.equal(partly["failures"], [{"arn": missing(job), "reason": "MISSING"}], "what there is not, is a failure")
    every = aws.ecs.get_task_protection(cluster=CLUSTER)
    checks.equal((every["protectedTasks"], every["failures"]), ([], []), "none is protected")

    checks.refused(aws.ecs, "InvalidParameterException", lambda: protection(made_up_ids(MOST_DESCRIBED + 1)))
    most = protection(made_up_ids(MOST_DESCRIBED))
    checks.equal(len(most["failures"]), MOST_DESCRIBED, "as many as one request takes")
    checks.refused(aws.ecs, "ClusterNotFoundException", lambda: protection([bare], NOWHERE))


def stop_task(checks, aws):
    arns = aws.ecs.list_tasks(cluster=CLUSTER)["taskArns"]
    tasks = aws.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
    job = next(task["taskArn"] for task in tasks if task["group"] == f"family:{JOB}")
    task = aws.ecs.stop_task(cluster=CLUSTER, task=job, reason="a reason")["task"]
    checks.equal(TASK - task.keys(), set(), "no member is missing")
    checks.equal((task["taskArn"], task["desiredStatus"]), (job, "STOPPED"), "it is to stop")
    checks.that(task["lastStatus"] != "STOPPED", "it has not stopped yet")
    checks.equal((task["stopCode"], task["stoppedReason"]), ("UserInitiated", "a reason"), "why")
    checks.that(task["startedAt"] <= task["stoppingAt"], "it ran before it stopped")
    checks.that("stoppedAt" not in task, "it has no end yet")

    running = aws.ecs.list_tasks(cluster=CLUSTER)["taskArns"]
    stopped = aws.ecs.list_tasks(cluster=CLUSTER, desiredStatus="STOPPED")["taskArns"]
    checks.equal((job in running, job in stopped), (False, True), "it is listed by its desired status")

    again = aws.ecs.stop_task(cluster=CLUSTER, task=job)["task"]
    checks.equal(
        (again["desiredStatus"], again["stoppingAt"]), ("STOPPED", task["stoppingAt"]), "a second time changes nothing"
    )

    def stop(task):
        return aws.ecs.stop_task(cluster=CLUSTER, task=task)

    checks.refused(
        aws.ecs, "InvalidParameterException", lambda: stop(missing(job)), "The referenced task was not found."
    )
    refused_in_no_cluster(checks, aws, aws.ecs.stop_task, task=job)


def describe_services(checks, aws):
    def describe(*services):
        return aws.ecs.describe_services(cluster=CLUSTER, services=list(services))

    wait_for_events(aws.ecs)
    answer = describe(SERVICE, DAEMON)
    checks.equal([it["serviceName"] for it in answer["services"]], [SERVICE, DAEMON], "everything asked for")
    checks.equal([it["schedulingStrategy"] for it in answer["services"]], ["REPLICA", "DAEMON"], "what each is")
    checks.equal(answer["failures"], [], "no failures")
    for service in answer["services"]:
        checks.equal(SERVICE_MEMBERS - service.keys(), set(), "no member is missing")
        checks.equal((service["status"], service["clusterArn"]), ("ACTIVE", CLUSTER_ARN), "a service that is there")
        checks.equal((service["desiredCount"], service["runningCount"]), (3, 3), "one task on each host")
        (event,) = service["events"]
        steady = f"(service {service['serviceName']}) has reached a steady state."
        checks.equal((set(event), event["message"]), ({"id", "createdAt", "message"}, steady), "what it tells")
        age = datetime.now(timezone.utc) - event["createdAt"]
        checks.that(0 <= age.total_seconds() < 3600, "it told it just now")
    arn = answer["services"][0]["serviceArn"]
    checks.equal(describe(arn)["services"], answer["services"][:1], "an ARN does as well")

    partly = describe(missing(arn), SERVICE)
    checks.equal([it["serviceName"] for it in partly["services"]], [SERVICE], "what there is, is described")
    checks.equal(partly["failures"], [{"arn": missing(arn), "reason": "MISSING"}], "what there is not, is a failure")
    by_name = describe(made_up_ids(1)[0])["failures"]
    checks.equal(by_name, [{"arn": missing(arn), "reason": "MISSING"}], "by its ARN, though asked for by its name")

    checks.refused(aws.ecs, "InvalidParameterException", lambda: describe())
    checks.refused(aws.ecs, "InvalidParameterException", lambda: describe(*made_up_ids(MOST_SERVICES + 1)))
    checks.equal(len(describe(*made_up_ids(MOST_SERVICES))["failures"]), MOST_SERVICES, "as many as one request takes")
    refused_in_no_cluster(checks, aws, aws.ecs.describe_services, services=[SERVICE])


def put_attributes(checks, aws):
    arn = container_instance(aws, STAYING[0])

    def put(*attributes):
        return aws.ecs.put_attributes(cluster=CLUSTER, attributes=list(attributes))

    def stored():
        described = aws.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=[arn])
        return {it["name"]: it.get("value") for it in described["containerInstances"][0]["attributes"]}

    by_arn = {"name": "drain.started-at", "value": "2026-01-15T20:06:18Z", "targetId": arn}
    checks.equal(put(by_arn)["attributes"], [by_arn], "the answer repeats them")
    checks.equal(stored().get("drain.started-at"), "2026-01-15T20:06:18Z", "it is stored")
    by_id = {"name": "flag", "targetId": arn.rpartition("/")[2], "targetType": "container-instance"}
    checks.equal(put(by_id)["attributes"], [by_id], "one without a value, by the bare id")
    checks.equal(("flag" in stored(), stored().get("flag")), (True, None), "it is stored without one")
    put(by_arn | {"value": "@later: 2"})
    checks.equal(stored().get("drain.started-at"), "@later: 2", "a second value replaces the first")

    short = {"name": "flag", "targetId": by_id["targetId"]}
    checks.refused(aws.ecs, "InvalidParameterException", lambda: put(short))
    for name, value in (("", "x"), ("a b", "x"), ("a", "1+1"), ("a", " x"), ("a", "x" * 129), ("x" * 129, "a")):
        checks.refused(
            aws.ecs, "InvalidParameterException", lambda: put({"name": name, "value": value, "targetId": arn})
        )
    checks.refused(aws.ecs, "InvalidParameterException", lambda: put())
    many = [{"name": f"n{number}", "targetId": arn} for number in range(MOST_ATTRIBUTES + 1)]
    checks.refused(aws.ecs, "InvalidParameterException", lambda: put(*many))
    # Two are there already.
    checks.refused(aws.ecs, "AttributeLimitExceededException", lambda: put(*many[:9]))
    checks.that("n0" not in stored(), "what was refused is not stored")
    checks.equal(len(put(*many[:8])["attributes"]), 8, "as many as an instance takes")
    checks.refused(aws.ecs, "TargetNotFoundException", lambda: put(by_arn | {"targetId": missing(arn)}))
    refused_in_no_cluster(checks, aws, aws.ecs.put_attributes, attributes=[by_id])


def delete_attributes(checks, aws):
    arn = container_instance(aws, STAYING[0])

    def delete(*attributes):
        return aws.ecs.delete_attributes(cluster=CLUSTER, attributes=list(attributes))

    def stored():
        described = aws.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=[arn])
        return {it["name"] for it in described["containerInstances"][0]["attributes"]}

    named = [{"name": name, "targetId": arn} for name in ("one", "two")]
    before = stored()
    aws.ecs.put_attributes(cluster=CLUSTER, attributes=named)
    checks.equal(stored() - before, {"one", "two"}, "both are there")
    checks.equal(delete(named[0])["attributes"], named[:1], "the answer repeats it")
    checks.equal(stored() - before, {"two"}, "one is gone")
    by_id = {"name": "two", "targetId": arn.rpartition("/")[2], "targetType": "container-instance"}
    delete(by_id)
    checks.equal(stored(), before, "both are gone")
    checks.refused(aws.ecs, "InvalidParameterException", lambda: delete())
    checks.refused(aws.ecs, "InvalidParameterException", lambda: delete(*[named[0]] * (MOST_ATTRIBUTES + 1)))
    checks.refused(aws.ecs, "TargetNotFoundException", lambda: delete(named[0] | {"targetId": missing(arn)}))
    refused_in_no_cluster(checks, aws, aws.ecs.delete_attributes, attributes=[by_id])


def not_modelled(checks, aws):
    """What the simulator does not know it refuses; to ignore it would be a wrong answer."""
    task = aws.ecs.list_tasks(cluster=CLUSTER)["taskArns"][0]
    checks.refused(aws.ecs, "UnknownOperationException", lambda: aws.ecs.list_services(cluster=CLUSTER))
    refused = [
        lambda: aws.ecs.list_tasks(cluster=CLUSTER, family=JOB),
        lambda: aws.ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE),
        lambda: aws.ecs.describe_tasks(cluster=CLUSTER, tasks=[task], include=["TAGS"]),
        lambda: aws.ecs.list_container_instances(cluster=CLUSTER, filter="attribute:ecs.os-type == linux"),
    ]
    for call in refused:
        checks.refused(aws.ecs, "InvalidParameterException", call)


GROUPS = {
    "ListClusters": list_clusters,
    "ListContainerInstances": list_container_instances,
    "DescribeContainerInstances": describe_container_instances,
    "UpdateContainerInstancesState": update_container_instances_state,
    "ListTasks": list_tasks,
    "DescribeTasks": describe_tasks,
    "GetTaskProtection": get_task_protection,
    "DescribeServices": describe_services,
    "StopTask": stop_task,
    "PutAttributes": put_attributes,
    "DeleteAttributes": delete_attributes,
    "what ECS has and the simulator has not": not_modelled,
}


def container_instances(aws):
    return aws.ecs.list_container_instances(cluster=CLUSTER)["containerInstanceArns"]


def container_instance(aws, instance_id):
    found = aws.ecs.list_container_instances(cluster=CLUSTER, filter=f"ec2InstanceId in ['{instance_id}']")
    return found["containerInstanceArns"][0]


def wait_for_events(ecs):
    """Until both services have told something: what they are compared with then stays as it is."""
    deadline = time.monotonic() + TOLD_WITHIN
    while time.monotonic() < deadline:
        services = ecs.describe_services(cluster=CLUSTER, services=[SERVICE, DAEMON])["services"]
        if all(service["events"] for service in services):
            return
        time.sleep(0.05)
    raise TimeoutError(f"no events after {TOLD_WITHIN} s")


def missing(arn):
    """The ARN of something like it that there is not."""
    return f"{arn.rpartition('/')[0]}/{made_up_ids(1)[0]}"


def made_up_ids(count):
    return [f"{number:032x}" for number in range(count)]


def refused_in_no_cluster(checks, aws, operation, **request):
    checks.refused(aws.ecs, "ClusterNotFoundException", lambda: operation(cluster=NOWHERE, **request))
    # There is no cluster named `default` here, which an absent name means.
    checks.refused(aws.ecs, "ClusterNotFoundException", lambda: operation(**request))


def paging_is_checked(checks, aws, operation, **request):
    for page in ({"maxResults": 0}, {"maxResults": 101}, {"nextToken": "nonsense"}):
        checks.refused(aws.ecs, "InvalidParameterException", lambda: operation(**request, **page))
