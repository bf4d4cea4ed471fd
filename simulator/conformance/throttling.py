"""Rate limits, and whether boto3 takes them for what they are."""

from botocore.exceptions import ClientError

# More than any bucket holds, and few enough that a simulator without limits is found out soon.
AT_MOST = 400


def throttling(checks, aws):
    patient = aws.with_tries(5)
    for client, retrying, operation, code in (
        (aws.ecs, patient.ecs, "list_clusters", "ThrottlingException"),
        (aws.auto_scaling, patient.auto_scaling, "describe_auto_scaling_groups", "Throttling"),
    ):
        checks.refused(client, code, lambda: until_refused(client, operation), "Rate exceeded")
        checks.that(retried(client, retrying, operation), "boto3 tries again, and has its answer")


def emptied(client, operation):
    try:
        until_refused(client, operation)
    except ClientError:
        return True
    return False


def until_refused(client, operation):
    for _ in range(AT_MOST):
        answer = getattr(client, operation)()
    return answer


def retried(client, retrying, operation):
    # The bucket fills while one looks, so the first try may find a token.
    for _ in range(10):
        emptied(client, operation)
        if getattr(retrying, operation)()["ResponseMetadata"]["RetryAttempts"] > 0:
            return True
    return False
