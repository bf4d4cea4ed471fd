"""The simulator's world once more, in moto."""

import json
from contextlib import contextmanager

import boto3
from botocore.config import Config
from moto import mock_aws

from clusters import PROVIDER
from served import ACCOUNT, CLUSTER, GROUP, HEARTBEAT_TIMEOUT, HOOK, REGION, SERVICE
from stack import RULE


@contextmanager
def moto_world():
    """moto's ECS, Auto Scaling and EventBridge, with a cluster of three hosts, a task of a service, a group with a hook
    that is a capacity provider, and a rule."""
    with mock_aws():
        services = ("ec2", "autoscaling", "ecs", "events")
        ec2, auto_scaling, ecs, events = (_client(service) for service in services)
        image = ec2.describe_images()["Images"][0]["ImageId"]
        ec2.create_launch_template(
            LaunchTemplateName="hosts", LaunchTemplateData={"ImageId": image, "InstanceType": "m7g.large"}
        )
        auto_scaling.create_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            LaunchTemplate={"LaunchTemplateName": "hosts"},
            MinSize=0,
            MaxSize=3,
            DesiredCapacity=3,
            AvailabilityZones=[f"{REGION}a"],
        )
        auto_scaling.put_lifecycle_hook(
            LifecycleHookName=HOOK,
            AutoScalingGroupName=GROUP,
            LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
            NotificationMetadata=json.dumps({"cluster": CLUSTER}),
            HeartbeatTimeout=HEARTBEAT_TIMEOUT,
            DefaultResult="CONTINUE",
        )
        ecs.create_cluster(clusterName=CLUSTER)
        (group,) = auto_scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        ecs.create_capacity_provider(
            name=PROVIDER,
            autoScalingGroupProvider={
                "autoScalingGroupArn": group["AutoScalingGroupARN"],
                "managedScaling": {"status": "DISABLED"},
                "managedTerminationProtection": "DISABLED",
                "managedDraining": "ENABLED",
            },
        )
        ecs.put_cluster_capacity_providers(
            cluster=CLUSTER, capacityProviders=[PROVIDER], defaultCapacityProviderStrategy=[]
        )
        for instance in auto_scaling.describe_auto_scaling_instances()["AutoScalingInstances"]:
            identity = json.dumps({"instanceId": instance["InstanceId"], "region": REGION})
            ecs.register_container_instance(cluster=CLUSTER, instanceIdentityDocument=identity)
        ecs.register_task_definition(
            family=SERVICE, containerDefinitions=[{"name": SERVICE, "image": "nginx", "cpu": 64, "memory": 64}]
        )
        ecs.create_service(
            cluster=CLUSTER, serviceName=SERVICE, taskDefinition=SERVICE, desiredCount=1, launchType="EC2"
        )
        # moto's services have no tasks: this one is as a service's would be.
        ecs.run_task(
            cluster=CLUSTER,
            taskDefinition=SERVICE,
            launchType="EC2",
            startedBy="ecs-svc/1234567890123456789",
            group=f"service:{SERVICE}",
        )
        events.put_rule(Name=RULE, Description="a rule", EventPattern=json.dumps({"source": ["aws.autoscaling"]}))
        queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"
        events.put_targets(
            Rule=RULE,
            Targets=[
                {
                    "Id": "queue",
                    "Arn": queue,
                    "RetryPolicy": {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 3600},
                    "DeadLetterConfig": {"Arn": queue},
                }
            ],
        )
        yield ecs, auto_scaling, events


def _client(service):
    # Not the session of the simulator's clients: moto reaches only what is made within `mock_aws`.
    return boto3.client(service, region_name=REGION, config=Config(retries={"total_max_attempts": 1}))
