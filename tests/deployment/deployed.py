"""`template.yaml`, deployed with SAM to an emulator of AWS, its functions fed from the bus.

The emulator has CloudFormation with the SAM transform, EventBridge, SQS with event source mappings, and Lambda, which
runs the real binaries. ECS and Auto Scaling are the simulator's.

What it leaves out of the template's resources is put on by hand, or named in NOT_CHECKED.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from datetime import datetime, timezone

import boto3
from botocore.config import Config
from processes import Running, free_port, wait_for
from samcli.yamlhelper import yaml_parse
from served import ACCOUNT, GROUP, HOOK, LEAVING, REGION, Simulator

STACK = "ecs-drainer"
STARTS_WITHIN = 60
DEPLOYS_WITHIN = 300

# Not the defaults, so that the test takes minutes and not hours, and shows that parameters arrive.
PARAMETERS = {
    # A poison message is received five times, this far apart.
    "TerminationTimeoutSeconds": "45",
    "TerminationVisibilitySeconds": "45",
    # Longer than the world takes to drain and to be proved empty, so that the event's own invocation ends it.
    "PollForSeconds": "35",
    "SpotSliceSeconds": "15",
    # What ECS cannot move off a Spot instance is stopped 20 s after the notice, and not 75 s.
    "SpotStopLeadSeconds": "100",
    "AutoScalingGroupName": GROUP,
    "HookHeartbeatTimeoutSeconds": "600",
}
METADATA = '{"cluster":"prod"}'

UNTOLD = "i-0badc0ffee0ddf00d"
SPOT = "i-0123456789abcdef0"

# The world drains in about sixteen seconds, and ten more are proof. Less than the minute after which reconcile is first
# woken: that takes as long.
DRAINS_WITHIN = 50
RECONCILED_WITHIN = 180
# Five receives 45 s apart, and the emulator's own pace.
DEAD_WITHIN = 320

NOT_CHECKED = """\
not checked here, for the emulator does not model it: what the roles and the queues' policies allow (tests/permissions.rs
and tests/template.rs do that), the rules' retries and their dead-letter queue, concurrency limits, logs and the metrics
in them, whether alarms go off, the dashboard's looks, a hook's NotificationMetadata (tests/template.rs)."""


def drains(checks, workspace, simulator_binary, architecture):
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, Emulator(folder, port) as aws:
        make_group(aws)
        # It asks for the port that the functions are told of; both worlds are served there, one after the other.
        with Simulator(
            simulator_binary, "--leaving", LEAVING, "--leaving", UNTOLD, leave_after=0, port=port
        ) as simulator, told_on_failure(aws, simulator):
            outputs = deploy(checks, workspace, aws, architecture)
            redrive(checks, workspace, aws, outputs)
            hooks_are_there(checks, aws, outputs)
            terminations(checks, workspace, aws, outputs, simulator)
        with Simulator(
            simulator_binary, "--leaving", SPOT, "--spot", leave_after=0, port=port
        ) as simulator, told_on_failure(aws, simulator):
            interruption(checks, workspace, aws, outputs, simulator)


@contextmanager
def told_on_failure(aws, simulator):
    """When the checks end early, shows what the emulator and the simulator said last."""
    try:
        yield
    except Exception:
        for name, said in [("emulator", aws.said()), ("simulator", simulator.told())]:
            print(f"the {name}'s last words:", *said.splitlines()[-40:], sep="\n    ", file=sys.stderr)
        raise


class Emulator(Running):
    """The emulator, with its clients."""

    def __init__(self, folder, simulator_port):
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        at_simulator = f"http://127.0.0.1:{simulator_port}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "TMPDIR": folder,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            # The functions inherit these.
            "AWS_ENDPOINT_URL_ECS": at_simulator,
            "AWS_ENDPOINT_URL_AUTO_SCALING": at_simulator,
        }
        super().__init__(["ministack"], environment, folder)

    def __enter__(self):
        super().__enter__()
        try:
            self.listening(self._port, STARTS_WITHIN)
        except BaseException:
            self.__exit__()
            raise
        return self

    def client(self, service):
        # Requests to loopback go through no proxy, though the environment may name one.
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, config=Config(proxies={}))


def make_group(aws):
    """The emulator's Auto Scaling group, for the stack to put a hook on."""
    auto_scaling = aws.client("autoscaling")
    auto_scaling.create_launch_configuration(
        LaunchConfigurationName=GROUP, ImageId="ami-00000000000000000", InstanceType="t3.micro"
    )
    auto_scaling.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        LaunchConfigurationName=GROUP,
        MinSize=0,
        MaxSize=0,
        AvailabilityZones=[f"{REGION}a"],
    )


def deploy(checks, workspace, aws, architecture):
    """`sam deploy`, as the README has it; answers the stack's outputs."""
    parameters = PARAMETERS | {"Architecture": architecture}
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    # SAM reads quotes in a value as a shell would.
    overrides.append(f"HookNotificationMetadata={json.dumps(METADATA)}")
    command = ["sam", "deploy", "--resolve-s3", "--stack-name", STACK, "--capabilities", "CAPABILITY_IAM"]
    checks.that(f"`{' '.join(command)}`" in (workspace / "README.md").read_text(), "the README has this command")
    done = subprocess.run(
        [*command, "--no-confirm-changeset", "--no-progressbar", "--parameter-overrides", *overrides],
        cwd=workspace,
        env=os.environ | {"AWS_ENDPOINT_URL": aws.url},
        capture_output=True,
        text=True,
        timeout=DEPLOYS_WITHIN,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"sam deploy: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    [stack] = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    checks.equal(stack["StackStatus"], "CREATE_COMPLETE", "the stack")
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def redrive(checks, workspace, aws, outputs):
    """Puts the template's RedrivePolicy on each queue: the emulator's CloudFormation makes queues without."""
    sqs = aws.client("sqs")
    resources = yaml_parse((workspace / "template.yaml").read_text())["Resources"]
    policies = {
        name: resource["Properties"]["RedrivePolicy"]
        for name, resource in resources.items()
        if "RedrivePolicy" in resource.get("Properties", {})
    }
    checks.equal(sorted(policies), ["SpotQueue", "TerminationQueue"], "queues with a dead-letter queue")
    for queue, policy in policies.items():
        dead_letters, attribute = policy["deadLetterTargetArn"]["Fn::GetAtt"]
        checks.equal(attribute, "Arn", "the dead-letter queue's attribute")
        target = sqs.get_queue_attributes(QueueUrl=local(aws, outputs[f"{dead_letters}Url"]), AttributeNames=["QueueArn"])
        redrive = policy | {"deadLetterTargetArn": target["Attributes"]["QueueArn"]}
        url = local(aws, outputs[f"{queue}Url"])
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(redrive)})


def hooks_are_there(checks, aws, outputs):
    """The group has the stack's hook, and the command for further groups makes the same one."""
    auto_scaling = aws.client("autoscaling")

    def the_hook():
        [hook] = auto_scaling.describe_lifecycle_hooks(AutoScalingGroupName=GROUP)["LifecycleHooks"]
        names = ["LifecycleHookName", "LifecycleTransition", "DefaultResult", "HeartbeatTimeout"]
        return {name: str(hook.get(name)) for name in names}

    by_stack = the_hook()
    checks.equal(
        by_stack,
        {
            "LifecycleHookName": HOOK,
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
            "DefaultResult": "CONTINUE",
            "HeartbeatTimeout": "600",
        },
        "the stack's hook",
    )
    auto_scaling.delete_lifecycle_hook(AutoScalingGroupName=GROUP, LifecycleHookName=HOOK)
    command = outputs["AddHookCommand"].replace("GROUP", GROUP).replace("CLUSTER", "prod")
    program, service, operation, *options = shlex.split(command)
    checks.equal((program, service, operation), ("aws", "autoscaling", "put-lifecycle-hook"), "AddHookCommand")
    # The CLI's options are the operation's members in another spelling.
    given = dict(zip(options[::2], options[1::2], strict=True))
    checks.equal(given.pop("--region"), REGION, "its region")
    checks.equal(given["--notification-metadata"], METADATA, "its metadata")
    members = {"".join(word.title() for word in name.strip("-").split("-")): value for name, value in given.items()}
    auto_scaling.put_lifecycle_hook(**members | {"HeartbeatTimeout": int(members["HeartbeatTimeout"])})
    checks.equal(the_hook(), by_stack, "the hook by AddHookCommand")


def terminations(checks, workspace, aws, outputs, simulator):
    """One instance's event comes, another's does not, and a third event cannot be read."""
    sample = json.loads((workspace / "events/instance-terminate.json").read_text())
    checks.equal(sample["detail"]["EC2InstanceId"], LEAVING, "the sample event's instance")
    foreign = sample["detail"] | {"LifecycleHookName": "a-foreign-hook"}
    poison = sample["detail"] | {"EC2InstanceId": "no-instance"}
    for detail in [sample["detail"], foreign, poison]:
        put(aws, sample, detail)

    released(checks, simulator, LEAVING, DRAINS_WITHIN)
    # No event told of it: reconcile found it.
    released(checks, simulator, UNTOLD, RECONCILED_WITHIN)
    checks.equal(aws.said().count("EventBridge → SQS"), 2, "events that the rule took, and not the foreign hook's")

    [dead] = wait_for(
        "the poison message in the dead-letter queue",
        lambda: messages(aws, outputs["TerminationDeadLettersUrl"]),
        DEAD_WITHIN,
    )
    checks.equal(json.loads(dead["Body"])["detail"], poison, "what is in the dead-letter queue")
    checks.equal(waiting(aws, outputs["TerminationQueueUrl"]), 0, "messages left in the queue")
    checks.equal(waiting(aws, outputs["UndeliveredEventsUrl"]), 0, "events that were not delivered")
    no_task_was_killed(checks, simulator)


def interruption(checks, workspace, aws, outputs, simulator):
    """A Spot notice: what ECS cannot move is stopped in time."""
    sample = json.loads((workspace / "events/spot-interruption-warning.json").read_text())
    put(aws, sample, sample["detail"] | {"instance-id": SPOT})

    def everything_stopped():
        ecs = boto3.client("ecs", endpoint_url=simulator.url, region_name=REGION, config=Config(proxies={}))
        filter_ = f"ec2InstanceId == '{SPOT}'"
        [instance] = ecs.list_container_instances(cluster="prod", filter=filter_)["containerInstanceArns"]
        [described] = ecs.describe_container_instances(cluster="prod", containerInstances=[instance])["containerInstances"]
        if described["status"] != "DRAINING":
            return False
        arns = [
            arn
            for desired in ["RUNNING", "STOPPED"]
            for arn in ecs.list_tasks(cluster="prod", containerInstance=instance, desiredStatus=desired)["taskArns"]
        ]
        tasks = ecs.describe_tasks(cluster="prod", tasks=arns)["tasks"]
        return len(tasks) >= 4 and all(task["lastStatus"] == "STOPPED" for task in tasks)

    wait_for("DRAINING, and every task stopped", everything_stopped, DRAINS_WITHIN)
    checks.that("StopTask" in simulator.told(), "what does not leave by itself is stopped")
    wait_for("the notice is done with", lambda: waiting(aws, outputs["SpotQueueUrl"]) == 0, DRAINS_WITHIN)
    checks.equal(waiting(aws, outputs["SpotDeadLettersUrl"]), 0, "dead notices")
    no_task_was_killed(checks, simulator)


def put(aws, sample, detail):
    """Puts an event on the bus. Real EventBridge takes AWS's own sources from AWS only."""
    entry = {
        "Source": sample["source"],
        "DetailType": sample["detail-type"],
        "Detail": json.dumps(detail),
        "Resources": sample["resources"],
        "Time": datetime.now(timezone.utc),
    }
    answer = aws.client("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        raise AssertionError(f"put_events: {answer}")


def released(checks, simulator, instance, within):
    """Waits until an instance's lifecycle action was completed; nothing may run there then."""
    done = f"lifecycle action of {instance}, "
    told = wait_for(f"the release of {instance}", lambda: line_with(simulator, done), within)
    checks.that(told.split()[2] == "COMPLETED" and told.endswith(f"{done}0 tasks running"), f"released empty: {told}")


def line_with(simulator, text):
    return next((line for line in simulator.told().splitlines() if text in line), None)


def no_task_was_killed(checks, simulator):
    checks.equal(line_with(simulator, "KILLED"), None, "tasks that died with their host")


def messages(aws, url):
    return aws.client("sqs").receive_message(QueueUrl=local(aws, url), VisibilityTimeout=0).get("Messages")


def waiting(aws, url):
    """Messages in a queue, seen or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=local(aws, url), AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


def local(aws, url):
    """A queue's URL as the emulator is reached."""
    return f"{aws.url}/{url.split('/', 3)[3]}"
