"""The simulator's world once more, in moto."""

import json
from contextlib import contextmanager

import boto3
from botocore.config import Config
from moto import mock_aws

from served import CLUSTER, GROUP, HEARTBEAT_TIMEOUT, HOOK, REGION, SERVICE


@contextmanager
def moto_world():
    """moto's ECS and Auto Scaling, with a cluster of three hosts, a task of a service, and a group with a hook."""
    with mock_aws():
        ec2, auto_scaling, ecs = (_client(service) for service in ("ec2", "autoscaling", "ecs"))
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
        yield ecs, auto_scaling


def _client(service):
    # Not the session of the simulator's clients: moto reaches only what is made within `mock_aws`.
    return boto3.client(service, region_name=REGION, config=Config(retries={"total_max_attempts": 1}))
