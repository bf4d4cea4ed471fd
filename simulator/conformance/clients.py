"""boto3's clients, set up so that every answer they get is compared with the service model."""

import boto3
from botocore.config import Config

import model
from served import REGION

# One session: it reads the service models once.
SESSION = boto3.session.Session(
    aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
    aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    region_name=REGION,
)


class Aws:
    """The clients for a simulator at `url`."""

    def __init__(self, url, checks, tries=1):
        self._url = url
        self._checks = checks
        self.ecs = self._client("ecs", url, tries)
        self.auto_scaling = self._client("autoscaling", url, tries)
        self.cloudformation = self._client("cloudformation", url, tries)
        self.events = self._client("events", url, tries)
        self.iam = self._client("iam", url, tries)

    def with_tries(self, tries):
        """The same, for clients that try again; these do not, to see each answer."""
        return Aws(self._url, self._checks, tries)

    def _client(self, service, url, tries):
        config = Config(
            retries={"mode": "standard", "total_max_attempts": tries},
            connect_timeout=5,
            read_timeout=10,
            # Requests to loopback go through no proxy, though the environment may name one.
            proxies={},
        )
        client = SESSION.client(service, endpoint_url=url, config=config)
        client.meta.events.register("after-call", self._answered)
        return client

    def _answered(self, http_response, parsed, **event):
        operation = event["model"]
        self._checks.answered(operation.name, model.problems(operation, http_response, parsed))


def pages(operation, token, **request):
    """Every page of a list."""
    got = [operation(**request)]
    while token in got[-1]:
        if len(got) == 100:
            raise AssertionError(f"{operation.__name__}: no end after {len(got)} pages")
        got.append(operation(**request, **{token: got[-1][token]}))
    return got
